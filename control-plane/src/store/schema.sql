-- Times are microseconds since 1970, UTC.
CREATE TABLE IF NOT EXISTS tenants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL UNIQUE,
    description TEXT,
    settings TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    description TEXT,
    prd_path TEXT,
    status TEXT NOT NULL DEFAULT 'active',
    tenant_id INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    trigger TEXT NOT NULL,
    config TEXT,
    result_summary TEXT,
    parent_run_id INTEGER,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
);
CREATE INDEX IF NOT EXISTS runs_by_project ON runs (project_id);
CREATE TABLE IF NOT EXISTS run_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    phase TEXT,
    details TEXT,
    timestamp INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS run_events_by_run ON run_events (run_id, id);
CREATE INDEX IF NOT EXISTS run_events_by_time ON run_events (run_id, timestamp);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    project_id INTEGER NOT NULL,
    run_id INTEGER,
    status TEXT NOT NULL,
    pid INTEGER,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
-- What a session has, beside its row above, that was started through the API. Its project is 0: it has none.
CREATE TABLE IF NOT EXISTS started_sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL UNIQUE,
    prd_path TEXT,
    provider TEXT NOT NULL,
    options TEXT,
    phase TEXT,
    agents_spawned INTEGER NOT NULL DEFAULT 0,
    agents_completed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS session_tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    agent TEXT,
    output TEXT,
    error TEXT
);
CREATE INDEX IF NOT EXISTS session_tasks_by_session ON session_tasks (session_id, id);
CREATE INDEX IF NOT EXISTS session_tasks_by_status ON session_tasks (status);
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    status TEXT NOT NULL,
    priority TEXT NOT NULL,
    position INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER
);
CREATE INDEX IF NOT EXISTS tasks_by_project ON tasks (project_id);
-- What real servers list as tasks: the queue files of the running session.
CREATE TABLE IF NOT EXISTS queue_tasks (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,
    priority TEXT NOT NULL,
    type TEXT NOT NULL,
    position INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoints (
    id TEXT PRIMARY KEY,
    git_sha TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS keys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    salt TEXT NOT NULL,
    scopes TEXT NOT NULL,
    role TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used INTEGER,
    revoked INTEGER NOT NULL DEFAULT 0,
    description TEXT,
    allowed_ips TEXT,
    rate_limit INTEGER,
    rotating_from TEXT,
    rotation_expires_at INTEGER
);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    day TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT,
    user_id TEXT,
    token_id TEXT,
    ip_address TEXT,
    user_agent TEXT,
    success INTEGER NOT NULL,
    error TEXT,
    details TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_by_day ON audit (day);
-- The end of the hash chain: without it, cutting off the newest entries would go unnoticed.
CREATE TABLE IF NOT EXISTS audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL,
    hash TEXT NOT NULL
);
