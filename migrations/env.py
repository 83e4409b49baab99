"""Alembic's entry: runs inside the transaction that gong_worker.ledger.schema opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
