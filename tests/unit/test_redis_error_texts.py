"""What is said of an answer of Redis that only some versions give."""

import redis

from gong_views.redis_errors import explain


def test_a_script_that_its_user_may_not_run_is_a_matter_of_rights() -> None:
    """Redis 7.0 says it without a code of its own; the text names the rights all the same."""
    answer = redis.ResponseError(
        "The user executing the script can't run this command or subcommand script: e6a8, on @user_script:1."
    )
    told = explain(answer, "queue:6379", 2)
    assert told.reason == "no_permission"
    assert "gong-views acl" in str(told)
