"""Homes in which a session's usage comes before its model, or before its working directory.

Each writer gets a home and how much of it is there: `late` is false while the fact is still
missing. All have 110 tokens in the end. The order is invented.
"""

import json
import sqlite3
from contextlib import closing
from functools import partial

from agent_files import write_document, write_lines

ID = "5a5a5a5a-0000-4000-8000-00000000000a"
DIRECTORY = "/srv/gone/engine"
MODEL = "model-1"
DAY = "2026-03-02"
CALL = {"name": "shell", "id": "call_1"}


def stamp(second):
    return f"{DAY}T10:00:{second:02}.000Z"


def claude(home, *, late, folder=".claude"):
    def record(second, kind, **fields):
        own = {"type": kind, "uuid": f"u{second}", "sessionId": ID, "timestamp": stamp(second)}
        return own | fields

    usage = {"input_tokens": 100, "output_tokens": 10}
    message = {"id": "msg_1", "model": MODEL, "role": "assistant", "content": [], "usage": usage}
    records = [record(1, "assistant", message=message, requestId="req_1")]
    if late:
        prompt = {"role": "user", "content": "Go on"}
        records.append(record(2, "user", message=prompt, cwd=DIRECTORY))
    write_lines(home / folder / f"projects/-unknown/{ID}.jsonl", *records)


def codex(home, *, late, folder=".codex"):
    figures = {"input_tokens": 100, "cached_input_tokens": 0, "output_tokens": 10}
    figures |= {"total_tokens": 110}
    info = {"last_token_usage": figures, "total_token_usage": figures}
    payloads = [
        ("session_meta", {"id": ID, "timestamp": stamp(0)}),
        ("event_msg", {"type": "token_count", "info": info}),
    ]
    if late:
        payloads.append(("turn_context", {"model": MODEL, "cwd": DIRECTORY}))
    records = [
        {"timestamp": stamp(second), "type": kind, "payload": payload}
        for second, (kind, payload) in enumerate(payloads)
    ]
    folder = home / folder / "sessions/2026/03/02"
    write_lines(folder / f"rollout-{DAY}T10-00-00-{ID}.jsonl", *records)


def cline(home, *, late):
    folder = home / f".cline/data/sessions/{ID}"
    usage = {"inputTokens": 100, "outputTokens": 10}
    answer = {"id": "msg_1", "role": "assistant", "ts": 1_772_445_601_000, "metrics": usage}
    if late:
        answer["modelInfo"] = {"id": MODEL}
        write_document(folder / f"{ID}.json", {"session_id": ID, "cwd": DIRECTORY})
    write_document(folder / f"{ID}.messages.json", {"sessionId": ID, "messages": [answer]})


def copilot(home, *, late):
    usage = {"inputTokens": 100, "outputTokens": 10, "model": MODEL, "apiCallId": "msg_1"}
    records = [
        ("session.start", {"sessionId": ID, "copilotVersion": "1.0.102"}),
        ("session.usage_record", {"usage": usage}),
    ]
    if late:
        records.append(("session.resume", {"context": {"cwd": DIRECTORY}}))
    lines = [
        {"type": kind, "data": data, "id": f"r{second}", "timestamp": stamp(second)}
        for second, (kind, data) in enumerate(records)
    ]
    write_lines(home / f".copilot/session-state/{ID}/events.jsonl", *lines)


def cursor(home, *, late):
    conversation = {"name": "Oil", "createdAt": 1_772_445_600_000}
    if late:
        conversation["modelConfig"] = {"modelName": MODEL}
        conversation["workspaceIdentifier"] = {"uri": {"fsPath": DIRECTORY}}
    counts = {"inputTokens": 100, "outputTokens": 10}
    bubble = {"type": 2, "createdAt": 1_772_445_601_000, "tokenCount": counts}
    rows = [(f"bubbleId:{ID}:b1", json.dumps(bubble))]
    rows.append((f"composerData:{ID}", json.dumps(conversation)))
    path = home / ".config/Cursor/User/globalStorage/state.vscdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        for table in ("ItemTable", "cursorDiskKV"):
            columns = "key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB"
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        database.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", rows)
        database.commit()


def gemini(home, *, late):
    project = home / ".gemini/tmp/unknown"
    project.mkdir(parents=True, exist_ok=True)
    tokens = {"input": 100, "output": 10, "cached": 0, "thoughts": 0, "tool": 0, "total": 110}
    own = {"type": "gemini", "content": "Done."}
    records = [
        {"sessionId": ID, "startTime": stamp(0)},
        {**own, "id": "m1", "timestamp": stamp(1), "tokens": tokens},
    ]
    if late:
        records.append({**own, "id": "m2", "timestamp": stamp(2), "model": MODEL})
        (project / ".project_root").write_text(DIRECTORY)
    write_lines(project / f"chats/session-{DAY}T10-00-5a5a5a5a.jsonl", *records)


def droid(home, *, late):
    folder = home / ".factory/sessions/-unknown"
    settings = {"tokenUsage": {"inputTokens": 100, "outputTokens": 10}}
    if late:
        settings["model"] = MODEL
        header = {"type": "session_start", "id": ID, "cwd": DIRECTORY}
        write_lines(
            folder / f"{ID}.jsonl", header, {"type": "message", "id": "m1", "timestamp": stamp(2)}
        )
    write_document(folder / f"{ID}.settings.json", settings)


def goose(home, *, late):
    path = home / ".local/share/goose/sessions/sessions.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, working_dir TEXT,
            created_at TEXT, updated_at TEXT, model_config_json TEXT);
            CREATE TABLE IF NOT EXISTS usage_ledger (id INTEGER PRIMARY KEY, session_id TEXT,
            created_timestamp INTEGER, model TEXT, input_tokens INTEGER, output_tokens INTEGER);"""
        )
        usage = (1, ID, 1_772_445_601, None, 100, 10)
        database.execute("REPLACE INTO usage_ledger VALUES (?, ?, ?, ?, ?, ?)", usage)
        known = (DIRECTORY, json.dumps({"model_name": MODEL})) if late else ("", "")
        begun, updated = f"{DAY} 10:00:00", f"{DAY} 10:00:0{1 + late}"
        session = (ID, known[0], begun, updated, known[1])
        database.execute("REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)", session)
        database.commit()


def hermes(home, *, late):
    path = home / ".hermes/state.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, model TEXT, cwd TEXT,
            started_at REAL);
            CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, session_id TEXT,
            role TEXT, timestamp REAL);
            CREATE TABLE IF NOT EXISTS session_model_usage (session_id TEXT, model TEXT,
            task TEXT, api_call_count INTEGER, input_tokens INTEGER, output_tokens INTEGER,
            last_seen REAL, PRIMARY KEY (session_id, model, task));"""
        )
        usage = (ID, "unknown", "", 1, 100, 10, 1_772_445_601.0)
        database.execute("REPLACE INTO session_model_usage VALUES (?, ?, ?, ?, ?, ?, ?)", usage)
        session = (ID, *((MODEL, DIRECTORY) if late else (None, None)), 1_772_445_600.0)
        database.execute("REPLACE INTO sessions VALUES (?, ?, ?, ?)", session)
        if late:
            message = (1, ID, "assistant", 1_772_445_602.0)
            database.execute("REPLACE INTO messages VALUES (?, ?, ?, ?)", message)
        database.commit()


def grok(home, *, late):
    def update(second, kind, **fields):
        change = {"update": {"sessionUpdate": kind, **fields}}
        return {"timestamp": 1_772_445_600 + second, "params": change}

    folder = home / f".grok/sessions/unknown/{ID}"
    usage = {"inputTokens": 100, "outputTokens": 10, "modelCalls": 1}
    records = [update(1, "turn_completed", prompt_id="p", stop_reason="end_turn", usage=usage)]
    if late:
        records.append(update(2, "agent_message_chunk"))
        known = {"info": {"id": ID, "cwd": DIRECTORY}, "current_model_id": MODEL}
        write_document(folder / "summary.json", known)
    write_lines(folder / "updates.jsonl", *records)


def junie(home, *, late):
    def event(second, kind, **fields):
        time = 1_772_445_600_000 + 1000 * second
        wrapped = {"agentEvent": {"kind": kind, **fields}}
        return {"kind": "SessionA2uxEvent", "event": wrapped, "timestampMs": time}

    usage = {"inputTokens": 100, "outputTokens": 10}
    records = [event(1, "LlmResponseMetadataEvent", modelUsage=[usage])]
    if late:
        chosen = [{"kind": "ModelForLaunchAttachment", "modelId": MODEL}]
        records.append(event(2, "CurrentDirectoryUpdatedEvent", currentDirectory=DIRECTORY))
        records.append({"kind": "UserPromptEvent", "prompt": "Oil", "customAttachments": chosen})
    write_lines(home / f".junie/sessions/{ID}/events.jsonl", *records)


def kimi(home, *, late):
    folder = home / f".kimi-code/sessions/wd_unknown/{ID}"
    usage = {"inputOther": 100, "output": 10}
    records = [{"type": "usage.record", "usage": usage, "time": 1_772_445_601_000}]
    if late:
        records.append({"type": "llm.request", "model": MODEL, "time": 1_772_445_602_000})
        write_document(folder / "state.json", {"cwd": DIRECTORY})
    write_lines(folder / "agents/main/wire.jsonl", *records)


def codebuddy(home, *, late, folder=".codebuddy"):
    def record(second, **fields):
        time = 1_772_445_600_000 + 1000 * second
        return {"id": f"r{second}", "type": "message", "timestamp": time, "sessionId": ID, **fields}

    usage = {"inputTokens": 100, "outputTokens": 10}
    told = {"messageId": "m1", "usage": usage}
    records = [record(1, role="assistant", providerData=told)]
    if late:
        named = {"messageId": "m1", "model": MODEL, "usage": usage}
        records.append(record(2, type="model-usage", providerData=named, cwd=DIRECTORY))
    write_lines(home / f"{folder}/projects/unknown/{ID}.jsonl", *records)


def dsh(home, *, late):
    def event(seq, kind, data):
        return {"type": kind, "seq": seq, "time": 1_772_445_600_000 + 1000 * seq, "data": data}

    usage = {"inputTokens": 100, "outputTokens": 10}
    records = [event(1, "assistant/message", {"turn": 1, "step": 1, "usage": usage})]
    if late:
        records.append(event(2, "request/header", {"header": {"config": {"model": MODEL}}}))
        records.append({"type": "session", "id": ID, "cwd": DIRECTORY})
    write_lines(home / f".dsh/sessions/_no-cwd/{ID}/session.v4.jsonl", *records)


def opencode(home, *, late, name="opencode"):
    path = home / f".local/share/{name}/{name}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    tokens = {"input": 100, "output": 10, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    begin = 1_772_445_600_000
    time = {"created": begin, "completed": begin + 900}
    answer = {"role": "assistant", "time": time, "modelID": MODEL, "providerID": "p", "cost": 0}
    answer |= {"tokens": tokens, "finish": "stop"}
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, project_id TEXT,
            parent_id TEXT, directory TEXT, title TEXT, version TEXT, time_created INTEGER,
            time_updated INTEGER);
            CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, session_id TEXT,
            time_created INTEGER, time_updated INTEGER, data TEXT);"""
        )
        session = (ID, "p1", None, DIRECTORY if late else "", "Oil", "1.18.33", begin)
        database.execute(
            "REPLACE INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*session, begin + late)
        )
        database.execute(
            "INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?)",
            ("msg_1", ID, begin, begin, json.dumps(answer)),
        )
        if late:
            prompt = {"role": "user", "time": {"created": begin + 2000}}
            database.execute(
                "INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?)",
                ("msg_2", ID, begin + 2000, begin + 2000, json.dumps(prompt)),
            )
        database.commit()


def openclaw(home, *, late):
    usage = {"input": 100, "output": 10, "cacheRead": 0, "cacheWrite": 0}
    message = {"role": "assistant", "content": [], "usage": usage}
    records = [{"type": "message", "id": "e1", "timestamp": stamp(1), "message": message}]
    if late:
        header = {"type": "session", "id": ID, "timestamp": stamp(2), "cwd": DIRECTORY}
        change = {"type": "model_change", "id": "e2", "timestamp": stamp(3), "modelId": MODEL}
        records += [header, change]
    write_lines(home / f".openclaw/agents/main/sessions/{ID}.jsonl", *records)


def auggie(home, *, late):
    usage = {"input_tokens": 100, "output_tokens": 10}
    answer = {"request_id": "r1", "response_nodes": [{"type": 10, "token_usage": usage}]}
    folders = [{"folder_root": DIRECTORY}]
    if late:
        nodes = [{"type": 4, "ide_state_node": {"workspace_folders": folders}}]
        answer |= {"model_id": MODEL, "request_nodes": nodes}
    exchange = {"exchange": answer, "sequenceId": 1, "finishedAt": stamp(1)}
    document = {"sessionId": ID, "chatHistory": [exchange]}
    write_document(home / f".augment/sessions/{ID}.json", document)


def openhands(home, *, late):
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "response_id": "r1"}
    cost = {"cost": 0.01, "timestamp": 1_772_445_601.0}
    stats = {"usage_to_metrics": {"agent": {"token_usages": [usage], "costs": [cost]}}}
    document = {"id": ID, "stats": stats}
    if late:
        document |= {"agent": {"llm": {"model": MODEL}}, "workspace": {"working_dir": DIRECTORY}}
    write_document(home / f".openhands/conversations/{ID}/base_state.json", document)


def pi(home, *, late, folder=".pi/agent/sessions/--unknown--"):
    usage = {"input": 100, "output": 10, "cacheRead": 0, "cacheWrite": 0}
    records = [{"type": "compaction", "id": "e1", "timestamp": stamp(1), "usage": usage}]
    if late:
        header = {"type": "session", "id": ID, "timestamp": stamp(2), "cwd": DIRECTORY}
        change = {"type": "model_change", "id": "e2", "timestamp": stamp(3), "modelId": MODEL}
        records += [header, change]
    folder = home / folder
    write_lines(folder / f"{DAY}T10-00-00-000Z_{ID}.jsonl", *records)


def qwen(home, *, late):
    def record(second, kind, **fields):
        own = {"uuid": f"u{second}", "sessionId": ID, "timestamp": stamp(second), "type": kind}
        return own | fields

    usage = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
    message = {"role": "model", "parts": [{"text": "Done."}]}
    records = [record(1, "assistant", message=message, usageMetadata=usage)]
    if late:
        records.append(record(2, "assistant", message=message, model=MODEL, cwd=DIRECTORY))
    write_lines(home / f".qwen/projects/-unknown/chats/{ID}.jsonl", *records)


def vibe(home, *, late):
    def record(second, kind, **payload):
        return {"sequence": second, "type": kind, "payload": payload}

    folder = home / f".vibe/logs/session/unified/{ID}"
    usage = {"input_tokens": 100, "cached_input_tokens": 0, "output_tokens": 10}
    answer = {"action_id": "a1", "type": "completion_succeeded", "result": {"usage": usage}}
    circumstances = {"time_unix_ms": 1_772_445_601_000}
    records = [record(1, "core_input", input={"command": answer, "determinism": circumstances})]
    if late:
        records.append(record(2, "receipt_succeeded"))
        known = {"environment": {"working_directory": DIRECTORY}, "config": {"model_name": MODEL}}
        write_document(folder / "meta.json", known)
    write_lines(folder / "journal/0000000000000001.jsonl", *records)


def gptme(home, *, late):
    folder = home / f".local/share/gptme/logs/{ID}"
    metadata = {"usage": {"input_tokens": 100, "output_tokens": 10}}
    answer = {"role": "assistant", "timestamp": "2026-03-02T10:00:01.000001", "metadata": metadata}
    write_lines(folder / "conversation.jsonl", answer)
    if late:
        chat = f'[chat]\nworkspace = "{DIRECTORY}"\nmodel = "openai/{MODEL}"\n'
        (folder / "config.toml").write_text(chat)


def zcode(home, *, late):
    path = home / ".zcode/cli/db/db.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, directory TEXT,
            time_updated INTEGER);
            CREATE TABLE IF NOT EXISTS model_usage (id TEXT PRIMARY KEY, session_id TEXT,
            model_id TEXT, status TEXT, completed_at INTEGER, input_tokens INTEGER,
            output_tokens INTEGER);"""
        )
        row = (ID, MODEL if late else "", 1_772_445_601_000)
        statement = "REPLACE INTO model_usage VALUES ('r1', ?, ?, 'completed', ?, 100, 10)"
        database.execute(statement, row)
        if late:
            database.execute("REPLACE INTO session VALUES (?, ?, 1)", (ID, DIRECTORY))
        database.commit()


def zed(home, *, late):
    path = home / ".local/share/zed/threads/threads.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    usage = {"input_tokens": 100, "output_tokens": 10}
    thread = {"version": "0.3.0", "messages": [], "cumulative_token_usage": usage}
    if late:
        thread["model"] = {"provider": "p", "model": MODEL}
    row = (ID, f"{DAY}T10:00:0{1 + late}Z", json.dumps(thread), DIRECTORY if late else "")
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """CREATE TABLE IF NOT EXISTS threads (id TEXT PRIMARY KEY, summary TEXT,
            updated_at TEXT, data_type TEXT, data BLOB, folder_paths TEXT);"""
        )
        database.execute("REPLACE INTO threads VALUES (?, '', ?, 'json', ?, ?)", row)
        database.commit()


def varint(number):
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(number) if number else bytes([low])


def message(values):
    """Return a message of Protocol Buffers; a value is a number, a text, or another message."""
    data = b""
    for number, value in values.items():
        if isinstance(value, int):
            data += varint(number << 3) + varint(value)
        else:
            inner = message(value) if isinstance(value, dict) else value.encode()
            data += varint(number << 3 | 2) + varint(len(inner)) + inner
    return data


def antigravity(home, *, late):
    began = {4: {1: 1_772_445_600}}
    rows = [(0, message({1: {4: {2: 60, 3: 4}, 9: began}}))]
    if late:
        rows.append((1, message({1: {4: {2: 40, 3: 6}, 9: began, 19: MODEL}})))
    path = home / f".gemini/antigravity-cli/conversations/{ID}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """CREATE TABLE IF NOT EXISTS gen_metadata (idx INTEGER PRIMARY KEY, data);
            CREATE TABLE IF NOT EXISTS trajectory_metadata_blob (id TEXT PRIMARY KEY, data);
            CREATE TABLE IF NOT EXISTS steps (idx INTEGER PRIMARY KEY, step_type INTEGER,
            status INTEGER, metadata BLOB, permissions BLOB);"""
        )
        database.executemany("REPLACE INTO gen_metadata VALUES (?, ?)", rows)
        place = message({7: f"file://{DIRECTORY}"}) if late else b""
        database.execute("REPLACE INTO trajectory_metadata_blob VALUES ('m', ?)", [place])
        database.commit()


WRITERS = {
    each.__name__: each
    for each in (
        *(antigravity, claude, cline, codex, copilot, cursor, gemini, goose, opencode, pi, qwen),
        *(
            auggie,
            codebuddy,
            droid,
            dsh,
            grok,
            hermes,
            junie,
            kimi,
            openclaw,
            openhands,
            gptme,
            vibe,
            zcode,
            zed,
        ),
    )
} | {  # agents that share a reader
    "kilo": partial(opencode, name="kilo"),
    "mimo": partial(opencode, name="mimocode"),
    "icodemate": partial(opencode, name="icodemate"),
    "omp": partial(pi, folder=".omp/agent/sessions/-unknown"),
    "prime": partial(pi, folder=".prime/agent/sessions"),
    "senpi": partial(pi, folder=".senpi/agent/sessions/--unknown--"),
    "kimchi": partial(pi, folder=".config/kimchi/harness/sessions/--unknown--"),
    "gjc": partial(pi, folder=".gjc/agent/sessions/-unknown"),
    "traex": partial(codex, folder=".trae/cli"),
    "openclaude": partial(claude, folder=".openclaude"),
    "cherrystudio": partial(claude, folder=".config/CherryStudio/.claude"),
    "workbuddy": partial(codebuddy, folder=".workbuddy"),
}
