BEGIN;

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
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    id VARCHAR(200) COLLATE "C" NOT NULL, 
    session_id VARCHAR(200) COLLATE "C" NOT NULL, 
    sequence INTEGER NOT NULL, 
    status VARCHAR(20) COLLATE "C" NOT NULL, 
    step VARCHAR(500) COLLATE "C", 
    client_type VARCHAR(20) COLLATE "C" NOT NULL, 
    care_type VARCHAR(500) COLLATE "C", 
    shelf SMALLINT NOT NULL, 
    abandoned_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    listed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    contacted_at TIMESTAMP WITH TIME ZONE, 
    client_id VARCHAR(200) COLLATE "C", 
    phone VARCHAR(40) COLLATE "C", 
    email VARCHAR(500) COLLATE "C", 
    PRIMARY KEY (business_id, id)
);

CREATE INDEX abandoned_booking_requests_by_client_id ON abandoned_booking_requests (business_id, client_id) WHERE client_id IS NOT NULL;

CREATE INDEX abandoned_booking_requests_by_email ON abandoned_booking_requests (business_id, email) WHERE email IS NOT NULL;

CREATE INDEX abandoned_booking_requests_by_phone ON abandoned_booking_requests (business_id, phone) WHERE phone IS NOT NULL;

CREATE UNIQUE INDEX abandoned_booking_requests_by_session ON abandoned_booking_requests (business_id, session_id, sequence);

CREATE INDEX abandoned_booking_requests_by_shelf ON abandoned_booking_requests (business_id, shelf, abandoned_at DESC, id, listed_at);

CREATE INDEX abandoned_booking_requests_by_status ON abandoned_booking_requests (business_id, status, abandoned_at DESC, id, listed_at) WHERE shelf = 0;

CREATE TABLE abandoned_booking_queue (
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    id VARCHAR(200) COLLATE "C" NOT NULL, 
    version INTEGER NOT NULL, 
    next_action_at TIMESTAMP WITH TIME ZONE, 
    write_id BIGINT NOT NULL, 
    PRIMARY KEY (business_id, id)
);

CREATE INDEX abandoned_booking_queue_due ON abandoned_booking_queue (next_action_at) WHERE next_action_at IS NOT NULL;

CREATE TABLE abandoned_booking_documents (
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    id VARCHAR(200) COLLATE "C" NOT NULL, 
    document VARCHAR NOT NULL, 
    PRIMARY KEY (business_id, id)
);

CREATE TABLE abandoned_booking_search (
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    id VARCHAR(200) COLLATE "C" NOT NULL, 
    abandoned_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    name VARCHAR COLLATE "C" NOT NULL, 
    text VARCHAR COLLATE "C" NOT NULL, 
    grams INTEGER[] NOT NULL, 
    PRIMARY KEY (business_id, id)
);

CREATE INDEX abandoned_booking_search_grams ON abandoned_booking_search USING gin (grams);

CREATE INDEX abandoned_booking_search_newest ON abandoned_booking_search (business_id, abandoned_at DESC, id);

CREATE TABLE abandoned_booking_settings (
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    document VARCHAR NOT NULL, 
    PRIMARY KEY (business_id)
);

CREATE TABLE abandoned_booking_suppressions (
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    key VARCHAR(200) COLLATE "C" NOT NULL, 
    PRIMARY KEY (business_id, key)
);

CREATE TABLE abandoned_booking_reservations (
    business_id VARCHAR(200) COLLATE "C" NOT NULL, 
    phone VARCHAR(200) COLLATE "C" NOT NULL, 
    owner VARCHAR(200) COLLATE "C" NOT NULL, 
    at TIMESTAMP WITH TIME ZONE NOT NULL, 
    PRIMARY KEY (business_id, phone)
);

INSERT INTO abandoned_booking_schema_version (version, needs) VALUES (1, 1);

INSERT INTO abandoned_booking_alembic_version (version_num) VALUES ('abandoned_booking_1') RETURNING abandoned_booking_alembic_version.version_num;

COMMIT;

