CREATE TABLE abandoned_booking_alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT abandoned_booking_alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> abandoned_booking_1

CREATE TABLE abandoned_booking_schema_version (
    version INTEGER NOT NULL, 
    needs INTEGER NOT NULL, 
    PRIMARY KEY (version)
)ENGINE=InnoDB;

CREATE TABLE abandoned_booking_requests (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    session_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    sequence INTEGER NOT NULL, 
    status VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    step VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
    client_type VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    care_type VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
    shelf SMALLINT NOT NULL, 
    abandoned_at DATETIME(6) NOT NULL, 
    listed_at DATETIME(6) NOT NULL, 
    contacted_at DATETIME(6), 
    client_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
    phone VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
    email VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
    PRIMARY KEY (business_id, id)
)ENGINE=InnoDB;

CREATE INDEX abandoned_booking_requests_by_client_id ON abandoned_booking_requests (business_id, client_id);

CREATE INDEX abandoned_booking_requests_by_email ON abandoned_booking_requests (business_id, email);

CREATE INDEX abandoned_booking_requests_by_phone ON abandoned_booking_requests (business_id, phone);

CREATE UNIQUE INDEX abandoned_booking_requests_by_session ON abandoned_booking_requests (business_id, session_id, sequence);

CREATE INDEX abandoned_booking_requests_by_shelf ON abandoned_booking_requests (business_id, shelf, abandoned_at DESC, id, listed_at);

CREATE INDEX abandoned_booking_requests_by_status ON abandoned_booking_requests (business_id, status, abandoned_at DESC, id, listed_at);

CREATE TABLE abandoned_booking_queue (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    version INTEGER NOT NULL, 
    next_action_at DATETIME(6), 
    write_id BIGINT NOT NULL, 
    PRIMARY KEY (business_id, id)
)ENGINE=InnoDB;

CREATE INDEX abandoned_booking_queue_due ON abandoned_booking_queue (next_action_at);

CREATE TABLE abandoned_booking_documents (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    document MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL, 
    PRIMARY KEY (business_id, id)
)ENGINE=InnoDB;

CREATE TABLE abandoned_booking_search (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    abandoned_at DATETIME(6) NOT NULL, 
    name MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    text MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    PRIMARY KEY (business_id, id)
)ENGINE=InnoDB;

CREATE INDEX abandoned_booking_search_newest ON abandoned_booking_search (business_id, abandoned_at DESC, id);

CREATE TABLE abandoned_booking_settings (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    document MEDIUMTEXT CHARACTER SET utf8mb4 NOT NULL, 
    PRIMARY KEY (business_id)
)ENGINE=InnoDB;

CREATE TABLE abandoned_booking_suppressions (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    `key` VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    PRIMARY KEY (business_id, `key`)
)ENGINE=InnoDB;

CREATE TABLE abandoned_booking_reservations (
    business_id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    phone VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    owner VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
    at DATETIME(6) NOT NULL, 
    PRIMARY KEY (business_id, phone)
)ENGINE=InnoDB;

INSERT INTO abandoned_booking_schema_version (version, needs) VALUES (1, 1);

INSERT INTO abandoned_booking_alembic_version (version_num) VALUES ('abandoned_booking_1') RETURNING abandoned_booking_alembic_version.version_num;

