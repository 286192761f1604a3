"""Login shells of all kinds: the daemon's commands mean the same in each, or the job says why not."""

import pytest

# what each reads even for a command that comes by ssh, and 64 KB of noise
CHATTY = "touch spoke; head -c 65536 /dev/zero; printf 'x\\r\\n@@0 BEGIN\\n@@0 END OK\\n'; echo oops >&2\n"
RC = {"bash": ".bashrc", "zsh": ".zshenv", "tcsh": ".tcshrc", "fish": ".config/fish/config.fish"}
SHELLS = {"dash": "/bin/dash", "bash": "/bin/bash", "zsh": "/bin/zsh", "fish": "/usr/bin/fish",
          "tcsh": "/bin/tcsh"}


@pytest.fixture
def login(bed):
    """login(SHELL, RC): alice logs in with it from now on; a host that never saw jobfs."""
    def set_shell(path):
        bed.bed("in", "gpu2", "sed", "-i", f"s,^\\(alice:.*:\\).*,\\1{path},", "/etc/passwd")

    def set_login(path, rc=None, text=""):
        set_shell(path)
        bed.on("gpu2", "rm", "-rf", ".jobfs")
        if rc:
            bed.on("gpu2", "/bin/sh", "-c", f"mkdir -p $(dirname {rc}) && cat >{rc}", input=text.encode())

    yield set_login
    set_shell("/bin/bash")
    bed.on("gpu2", "rm", "-rf", ".jobfs", "spoke", *RC.values())


@pytest.mark.parametrize("shell", SHELLS)
def test_a_job_runs_whatever_the_login_shell_is_and_says(bed, start, login, shell):
    chatty = CHATTY
    if shell == "tcsh":  # it has no way to redirect only stderr
        chatty = chatty.replace("echo oops >&2\n", "")
    login(SHELLS[shell], RC.get(shell), chatty)
    daemon = start(hosts={"gpu2": {}})
    daemon.submit("odd", {"run": "echo \"it's $JOB_NAME\" '$(x)'; exit 3"})
    daemon.wait("odd", ("FAILED",))
    assert daemon.read("odd", "exit_code") == "3\n"
    assert daemon.read("odd", "log") == "it's odd $(x)\n"
    if shell in RC:
        bed.on("gpu2", "rm", "spoke")  # it did read its file


@pytest.mark.parametrize("path, rc, text, said", [
    ("/bin/bash", ".bashrc", "echo go away; exit 0\n", "go away"),
    ("/usr/sbin/nologin", None, "", "not available"),
])
def test_a_login_that_runs_nothing_is_told_to_the_user(bed, start, login, path, rc, text, said):
    login(path, rc, text)
    daemon = start(hosts={"gpu2": {}}, limits={"connect_patience": "2s"})
    daemon.submit("deaf", {"run": "true"})
    daemon.wait("deaf", ("FAILED",))
    error = daemon.read("deaf", "error")
    assert "gpu2" in error and "login shell said" in error and said in error
    assert not daemon.read("deaf", "log")
