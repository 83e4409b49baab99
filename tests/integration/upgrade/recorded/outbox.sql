BEGIN TRANSACTION;
CREATE TABLE gong_views_outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	reporting_system TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	lane TEXT DEFAULT 'live' NOT NULL, 
	payload TEXT NOT NULL, 
	created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, 
	relayed_at DATETIME, 
	message_id TEXT, 
	error TEXT
);
INSERT INTO "gong_views_outbox" VALUES(1,'content-hub','old-40','live','{"reportingSystem":"content-hub","eventTimestamp":"2026-07-01T12:34:56.123456+02:00","eventId":"old-40","contentId":"deck-40","contentUrl":"https://content.example/decks/40","contentTitle":"Pricing overview","viewer":{"email":"dana@globex.example"}}','2026-11-29 21:06:32.835709',NULL,NULL,NULL);
INSERT INTO "gong_views_outbox" VALUES(2,'content-hub','old-41','bulk','{"reportingSystem":"content-hub","eventTimestamp":"2026-07-01T12:34:56.123456+02:00","eventId":"old-41","contentId":"deck-41","contentUrl":"https://content.example/decks/41","contentTitle":"Pricing overview","viewer":{"email":"dana@globex.example"}}','2026-11-29 21:06:32.840597',NULL,NULL,NULL);
CREATE INDEX ix_gong_views_outbox_waiting ON gong_views_outbox (id) WHERE relayed_at IS NULL;
CREATE INDEX ix_gong_views_outbox_created_at ON gong_views_outbox (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('gong_views_outbox',2);
COMMIT;
