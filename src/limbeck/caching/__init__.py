"""What a teacher said, kept on the disk and checked before it is believed."""

from limbeck.caching.cache import Cache
from limbeck.caching.encoding import Encoding
from limbeck.caching.encodings import NAMES, choose
from limbeck.caching.hidden import HiddenEncoding
from limbeck.caching.manifest import Manifest, Origin
from limbeck.caching.sampled import SampledEncoding
from limbeck.caching.teacher import CachedTeacher
from limbeck.caching.topk import TopKEncoding
from limbeck.caching.verifier import Verified, check_files, recompute
from limbeck.caching.writer import write_cache

__all__ = [
    "NAMES",
    "Cache",
    "CachedTeacher",
    "Encoding",
    "HiddenEncoding",
    "Manifest",
    "Origin",
    "SampledEncoding",
    "TopKEncoding",
    "Verified",
    "check_files",
    "choose",
    "recompute",
    "write_cache",
]
