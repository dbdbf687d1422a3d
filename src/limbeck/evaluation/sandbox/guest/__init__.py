"""What runs inside the sandbox: standard library only, and nothing that needs the package."""
