CREATE TABLE trajectory_meta (trajectory_id text, cascade_id text, trajectory_type integer, source integer, PRIMARY KEY (trajectory_id));
CREATE TABLE steps (idx integer, step_type integer NOT NULL DEFAULT 0, status integer NOT NULL DEFAULT 0, has_subtrajectory numeric NOT NULL DEFAULT false, metadata blob, error_details blob, permissions blob, task_details blob, render_info blob, step_payload blob, step_format integer NOT NULL DEFAULT 0, PRIMARY KEY (idx));
CREATE TABLE gen_metadata (idx integer, data blob, size integer NOT NULL DEFAULT 0, PRIMARY KEY (idx));
CREATE TABLE trajectory_metadata_blob (id text DEFAULT "main", data blob, PRIMARY KEY (id));
INSERT INTO trajectory_meta VALUES ('t','b2b2b2b2-0000-4000-8000-00000000000b',4,1);
INSERT INTO trajectory_metadata_blob VALUES ('main',x'120608c496ddd406');
INSERT INTO steps (idx,step_type,status,metadata,permissions) VALUES (0,14,3,x'0a0608c496ddd406',NULL);
INSERT INTO steps (idx,step_type,status,metadata,permissions) VALUES (1,15,3,x'0a0608c696ddd406',NULL);
INSERT INTO gen_metadata (idx,data,size) VALUES (0,x'0a41222208bc0810f40318142800480050145a123031323334353637383961626364656630334a08220608c696ddd4069a011067656d696e692d332e382d666c617368120101',70);
