"""Scripts packed by hand are the bytes that redis-py would send."""

import hashlib

import redis

from gong_worker.packed_scripts import PackedScript


def test_the_bytes_are_redis_pys() -> None:
    """Keys, texts of several bytes a character, empty texts and numbers are packed as redis-py packs them."""
    text, keys = "return 1", ["{gong-views.gate}:state", "gong-views.unacked"]
    arguments = ["", "a tag", "Dana Ömer 😀\r\n$5", 0, -17, 2**63]
    sha = hashlib.sha1(text.encode()).hexdigest()
    packed = PackedScript(text, keys, arguments=len(arguments)).packed(*arguments)
    assert packed == b"".join(redis.Connection().pack_command("EVALSHA", sha, 2, *keys, *arguments))
