CREATE TABLE abandoned_booking_alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT abandoned_booking_alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> abandoned_booking_1

CREATE TABLE abandoned_booking_schema_version (
    version INTEGER NOT NULL, 
    needs INTEGER NOT NULL, 
    PRIMARY KEY (version)
);

CREATE TABLE abandoned_booking_requests (
    business_id VARCHAR(200) NOT NULL, 
    id VARCHAR(200) NOT NULL, 
    session_id VARCHAR(200) NOT NULL, 
    sequence INTEGER NOT NULL, 
    status VARCHAR(20) NOT NULL, 
    step VARCHAR(500), 
    client_type VARCHAR(20) NOT NULL, 
    care_type VARCHAR(500), 
    shelf SMALLINT NOT NULL, 
    abandoned_at DATETIME NOT NULL, 
    listed_at DATETIME NOT NULL, 
    contacted_at DATETIME, 
    client_id VARCHAR(200), 
    phone VARCHAR(40), 
    email VARCHAR(500), 
    PRIMARY KEY (business_id, id)
);

CREATE INDEX abandoned_booking_requests_by_client_id ON abandoned_booking_requests (business_id, client_id) WHERE client_id IS NOT NULL;

CREATE INDEX abandoned_booking_requests_by_email ON abandoned_booking_requests (business_id, email) WHERE email IS NOT NULL;

CREATE INDEX abandoned_booking_requests_by_phone ON abandoned_booking_requests (business_id, phone) WHERE phone IS NOT NULL;

CREATE UNIQUE INDEX abandoned_booking_requests_by_session ON abandoned_booking_requests (business_id, session_id, sequence);

CREATE INDEX abandoned_booking_requests_by_shelf ON abandoned_booking_requests (business_id, shelf, abandoned_at DESC, id, listed_at);

CREATE INDEX abandoned_booking_requests_by_status ON abandoned_booking_requests (business_id, status, abandoned_at DESC, id, listed_at) WHERE shelf = 0;

CREATE TABLE abandoned_booking_queue (
    business_id VARCHAR(200) NOT NULL, 
    id VARCHAR(200) NOT NULL, 
    version INTEGER NOT NULL, 
    next_action_at DATETIME, 
    write_id BIGINT NOT NULL, 
    PRIMARY KEY (business_id, id)
);

CREATE INDEX abandoned_booking_queue_due ON abandoned_booking_queue (next_action_at) WHERE next_action_at IS NOT NULL;

CREATE TABLE abandoned_booking_documents (
    business_id VARCHAR(200) NOT NULL, 
    id VARCHAR(200) NOT NULL, 
    document TEXT NOT NULL, 
    PRIMARY KEY (business_id, id)
);

CREATE TABLE abandoned_booking_search (
    number INTEGER NOT NULL, 
    business_id VARCHAR(200) NOT NULL, 
    id VARCHAR(200) NOT NULL, 
    abandoned_at DATETIME NOT NULL, 
    name VARCHAR NOT NULL, 
    text VARCHAR NOT NULL, 
    grams TEXT NOT NULL, 
    PRIMARY KEY (number)
);

CREATE UNIQUE INDEX abandoned_booking_search_key ON abandoned_booking_search (business_id, id);

CREATE INDEX abandoned_booking_search_newest ON abandoned_booking_search (business_id, abandoned_at DESC, id);

CREATE TABLE abandoned_booking_settings (
    business_id VARCHAR(200) NOT NULL, 
    document TEXT NOT NULL, 
    PRIMARY KEY (business_id)
);

CREATE TABLE abandoned_booking_suppressions (
    business_id VARCHAR(200) NOT NULL, 
    "key" VARCHAR(200) NOT NULL, 
    PRIMARY KEY (business_id, "key")
);

CREATE TABLE abandoned_booking_reservations (
    business_id VARCHAR(200) NOT NULL, 
    phone VARCHAR(200) NOT NULL, 
    owner VARCHAR(200) NOT NULL, 
    at DATETIME NOT NULL, 
    PRIMARY KEY (business_id, phone)
);

CREATE VIRTUAL TABLE "abandoned_booking_search_grams" USING fts5 (grams, content = 'abandoned_booking_search', content_rowid = 'number', tokenize = 'ascii', detail = none, columnsize = 0);

CREATE TRIGGER "abandoned_booking_search_added" AFTER INSERT ON "abandoned_booking_search" BEGIN INSERT INTO "abandoned_booking_search_grams" (rowid, grams) VALUES (new.number, new.grams); END;

CREATE TRIGGER "abandoned_booking_search_removed" AFTER DELETE ON "abandoned_booking_search" BEGIN INSERT INTO "abandoned_booking_search_grams" ("abandoned_booking_search_grams", rowid, grams) VALUES ('delete', old.number, old.grams); END;

CREATE TRIGGER "abandoned_booking_search_changed" AFTER UPDATE OF grams ON "abandoned_booking_search" WHEN old.grams IS NOT new.grams BEGIN INSERT INTO "abandoned_booking_search_grams" ("abandoned_booking_search_grams", rowid, grams) VALUES ('delete', old.number, old.grams); INSERT INTO "abandoned_booking_search_grams" (rowid, grams) VALUES (new.number, new.grams); END;

INSERT INTO abandoned_booking_schema_version (version, needs) VALUES (1, 1);

INSERT INTO abandoned_booking_alembic_version (version_num) VALUES ('abandoned_booking_1') RETURNING version_num;

