"""What a teacher said, kept on the disk and checked before it is believed."""

from limbeck.caching.cache import Cache
from limbeck.caching.encoding import Encoding
from limbeck.caching.encodings import NAMES, choose
from limbeck.caching.hidden import HiddenEncoding
from limbeck.caching.manifest import Manifest, Origin
from limbeck.caching.sampled import SampledEncoding
from limbeck.caching.teacher import CachedTeacher
from limbeck.caching.topk import TopKEncoding
from limbeck.caching.verifier import Verified, a_shard, check_files, compare_shown, recompute
from limbeck.caching.writer import write_cache, write_said

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
    "a_shard",
    "check_files",
    "choose",
    "compare_shown",
    "recompute",
    "write_cache",
    "write_said",
]
