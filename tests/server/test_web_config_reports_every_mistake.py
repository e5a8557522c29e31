"""A web configuration file with mistakes is refused. Messages name the file, line and key only."""

import os

import pytest
from certificates import Authority
from hypothesis import given
from hypothesis import strategies as st
from running import run

from agtop_exporter.server.web import Protection
from agtop_exporter.settings import SettingsError

SECRET = "hunter2-canary"  # noqa: S105 - of the test
HASH = "$2y$10$" + "a" * 53


def mistakes(folder, text):
    path = folder / "web.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as error:
        Protection(str(path))
    assert SECRET not in str(error.value)
    return [line.removeprefix(f"{path}:") for line in str(error.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"basic_auth_users:\n  ada: {SECRET}\n  bob: {HASH}\ntls_server: {{}}\n",
            [
                ("2: basic_auth_users.ada: expected a bcrypt hash, which `htpasswd -nBC 10 NAME` "
                "prints"),
                ("4: tls_server: there is no such key, or it is not supported; did you mean "
                "tls_server_config?"),
            ],
        ),
        (
            "tls_server_config:\n  cert_file: 5\n  min_version: TLS10\n  cipher_suites: [x]\n",
            [
                "2: tls_server_config.cert_file: expected a text",
                "1: tls_server_config.key_file: is missing",
                "3: tls_server_config.min_version: expected TLS12 or TLS13",
                "4: tls_server_config.cipher_suites: there is no such key, or it is not supported",
            ],
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}\n",
            [
                ("1: tls_server_config.client_ca_file: needs client_auth_type: "
                "RequireAndVerifyClientCert")
            ],
        ),
        (
            ("tls_server_config:\n  cert_file: a\n  key_file: b\n"
            "  client_auth_type: RequireAndVerifyClientCert\n"),
            [
                ("4: tls_server_config.client_auth_type: RequireAndVerifyClientCert needs "
                "client_ca_file")
            ],
        ),
        (
            f"basic_auth_users: {{ada: $2y$31${'a' * 53}, 'a:b': {HASH}}}\n",
            [
                "1: basic_auth_users.ada: the cost of the hash is higher than 14",
                "1: basic_auth_users.a:b: a user name is not empty, and has no colon",
            ],
        ),
        (
            f"basic_auth_users: {{ada: $2y$03${'a' * 53}, bob: $2$10${'a' * 53}}}\n",
            [
                "1: basic_auth_users.ada: the cost of the hash is lower than 4",
                ("1: basic_auth_users.bob: expected a bcrypt hash, which `htpasswd -nBC 10 NAME` "
                "prints"),
            ],
        ),
        (
            f"basic_auth_users: {{ada: {HASH}}}\nbasic_auth_users: {{}}\n",
            ["2: basic_auth_users: the file has this key twice"],
        ),
        (
            f"basic_auth_users:\n  ada: {HASH}\n  ada: {HASH}\n",
            ["3: basic_auth_users.ada: the file has this key twice"],
        ),
        ("false\n", [" expected a table"]),
        ("[]\n", [" expected a table"]),
        (
            'tls_server_config: {cert_file: "a\\0", key_file: b}\n',
            ["1: tls_server_config.cert_file: cannot read the file: No such file or directory"],
        ),
        (
            "tls_server_config: {cert_file: /dev/zero, key_file: b}\n",
            ["1: tls_server_config.cert_file: cannot read the file: not a regular file"],
        ),
        ('http_server_config: {headers: {X-Frame-Options: "a\\nb"}}\n',
         [("1: http_server_config.headers.X-Frame-Options: expected printable ASCII characters on "
          "one line")]),
        (f"basic_auth_users: {{ada: {SECRET}\n", ["2:1: not valid YAML"]),
        (f"basic_auth_users: {SECRET}\n", ["1: basic_auth_users: expected a table"]),
        (b"\xff\xfe", [" not UTF-8 text"]),
        (SECRET, [" expected a table"]),
        ("tls_server_config: {cert_file: no.pem, key_file: no.key}\n",
         ["1: tls_server_config.cert_file: cannot read the file: No such file or directory"]),
    ],
)  # fmt: skip
def test_each_mistake_has_its_place(tmp_path, text, expected):
    assert mistakes(tmp_path, text) == expected


def test_a_pipe_does_not_block_the_reload(tmp_path):
    os.mkfifo(tmp_path / "web.yml")
    with pytest.raises(SettingsError, match="not a regular file"):
        Protection(str(tmp_path / "web.yml"))


def test_aliases_cannot_fill_the_memory(tmp_path):
    levels = [
        f"l{n}: &l{n} {{{', '.join(f'k{i}: *l{n - 1}' for i in range(9))}}}" for n in range(1, 30)
    ]
    found = mistakes(tmp_path, "\n".join(["l0: &l0 x", *levels]))
    assert found[29] == "30: l29: there is no such key, or it is not supported"


@pytest.mark.slow
def test_certificates_that_do_not_fit(tmp_path):
    authority = Authority(tmp_path / "ca")
    one, one_key = authority.sign("one", "DNS:localhost")
    _, other_key = authority.sign("other", "DNS:localhost")
    for certificate, key, why in (
        (one, other_key, "the certificate does not belong to the key in key_file"),
        (one_key, one_key, "the file has no certificate in PEM format"),
    ):
        text = f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n"
        (found,) = mistakes(tmp_path, text)
        assert found.startswith(f"2: tls_server_config.cert_file: {why}")


@pytest.mark.slow
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["tls_server_config", "cert_file", "key_file", "headers", "http2",
                         "http_server_config", "basic_auth_users", "x"]),
        inner, max_size=3),
))  # fmt: skip
def test_any_yaml_gives_a_protection_or_one_line_for_each_mistake(tmp_path_factory, data):
    import yaml  # noqa: PLC0415 - of this test only

    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_text(yaml.safe_dump(data))
    try:
        Protection(str(path))
    except SettingsError as error:
        assert all(line.startswith(str(path)) for line in str(error).splitlines())  # noqa: PT017


@pytest.mark.slow
@pytest.mark.integration
def test_check_config_reads_the_file_and_prints_no_secret(tmp_path):
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{ada: {HASH}}}\n")
    flags = ("check-config", "--web-config-file", path)
    done = run("agtop-exporter", *flags, home=tmp_path)
    assert HASH not in done.stdout + done.stderr
    assert f'web_config_file = "{path}"' in done.stdout
    path.write_text(f"basic_auth_users: {{ada: {SECRET}}}\n")
    done = run("agtop-exporter", *flags, home=tmp_path, check=False)
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    assert f"{path}:1: basic_auth_users.ada: expected a bcrypt hash" in done.stderr
