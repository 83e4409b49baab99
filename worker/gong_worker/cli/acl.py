"""`gong-views acl`: the queue's Redis users."""

from pathlib import Path

import click

from gong_worker.operations.redis_acl import RedisUser, acl_file, acl_rules


@click.command()
@click.option(
    "--passwords",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="print an ACL file: each user's password is read from FOLDER/<user>",
)
def acl(passwords: Path | None) -> None:
    """Print the rights in Redis of each kind of process, as ACL rules or as an ACL file."""
    if passwords is None:
        for user in RedisUser:
            click.echo(f"{user} {acl_rules(user)}")
        return
    found = {user: _password(passwords / user) for user in RedisUser if (passwords / user).is_file()}
    if not found:
        names = ", ".join(user for user in RedisUser if user is not RedisUser.HEALTH)
        raise click.UsageError(f"--passwords: {passwords} has no file named as a user ({names})")
    click.echo(acl_file(found), nl=False)


def _password(file: Path) -> str:
    try:
        password = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(f"--passwords: {file} cannot be read") from None
    if not password:
        raise click.UsageError(f"--passwords: {file} is empty")
    return password
