-- The columns that public readers name; the tables have more.
CREATE TABLE session (id TEXT PRIMARY KEY, project_id TEXT, parent_id TEXT, directory TEXT NOT NULL, title TEXT, task_type TEXT, time_created INTEGER, time_updated INTEGER);
CREATE TABLE model_usage (id TEXT PRIMARY KEY, session_id TEXT NOT NULL, turn_id TEXT, agent TEXT, mode TEXT, provider_id TEXT, model_id TEXT NOT NULL, status TEXT, started_at INTEGER NOT NULL, completed_at INTEGER,
    input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0, reasoning_tokens INTEGER NOT NULL DEFAULT 0, cache_creation_input_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_input_tokens INTEGER NOT NULL DEFAULT 0, computed_total_tokens INTEGER);
CREATE TABLE tool_usage (id TEXT PRIMARY KEY, session_id TEXT NOT NULL, turn_id TEXT, tool_name TEXT NOT NULL, started_at INTEGER NOT NULL);
INSERT INTO session VALUES ('sess_0a', 'p1', NULL, '/home/ada/engine', 'Oil the engine', 'interactive', 1793700000000, 1793700300000);
INSERT INTO session VALUES ('sess_0b', 'p1', 'sess_0a', '/home/ada/engine', 'Find the pump', 'subagent_child', 1793700020000, 1793700040000);
INSERT INTO session VALUES ('sess_0c', 'p2', NULL, '/home/ada/clock', 'Nothing asked', 'interactive', 1793700001000, 1793700001000);
-- Two turns with two models; reasoning, cache reads and writes.
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_a1_0', 'sess_0a', 'turn_msg_a1', 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-5.2', 'completed', 1793700001000, 1793700009000, 12000, 300, 120, 0, 0, 12300);
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_a1_1', 'sess_0a', 'turn_msg_a1', 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-5.2', 'completed', 1793700010000, 1793700019000, 12500, 200, 0, 0, 11968, 12700);
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_a2_0', 'sess_0a', 'turn_msg_a2', 'zcode-agent', 'build', '847d13c9-0568-4f2f-818e-8bd498e5d920', 'claude-sonnet-4-6', 'completed', 1793700100000, 1793700109000, 13000, 90, 0, 1000, 11500, 13090);
-- The request for a title has no turn.
INSERT INTO model_usage VALUES ('usage_model_title_a', 'sess_0a', NULL, 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-4.7-Flash', 'completed', 1793700002000, 1793700003000, 400, 12, 0, 0, 0, 412);
-- A request that failed, one that was cancelled after a part of the answer, and one that runs.
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_a3_0', 'sess_0a', 'turn_msg_a3', 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-5.2', 'error', 1793700200000, 1793700201000, 0, 0, 0, 0, 0, 0);
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_a4_0', 'sess_0a', 'turn_msg_a4', 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-5.2', 'cancelled', 1793700210000, 1793700215000, 14000, 40, 0, 0, 13056, 14040);
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_a5_0', 'sess_0a', 'turn_msg_a5', 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-5.2', 'running', 1793700290000, NULL, 0, 0, 0, 0, 0, 0);
-- A subagent.
INSERT INTO model_usage VALUES ('usage_model_main_turn_msg_b1_0', 'sess_0b', 'turn_msg_b1', 'zcode-agent', 'build', 'builtin:zai-start-plan', 'GLM-4.7-Flash', 'completed', 1793700021000, 1793700030000, 2000, 80, 0, 0, 512, 2080);
INSERT INTO tool_usage VALUES ('tool_a1', 'sess_0a', 'turn_msg_a1', 'Read', 1793700009000);
INSERT INTO tool_usage VALUES ('tool_a2', 'sess_0a', 'turn_msg_a1', 'Task', 1793700009500);
INSERT INTO tool_usage VALUES ('tool_b1', 'sess_0b', 'turn_msg_b1', 'Grep', 1793700025000);
