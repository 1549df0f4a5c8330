# shellcheck shell=bash
# What binder/up and binder/test share: system packages, the Python environment and the places in the
# user's environment that must make sense. Sourced, never run; prints one plain line per step.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$checkout/.venv
stamp=$venv/kvmnb-stamp

step() { printf '==> %s\n' "$*"; }

# fail WHAT REMEDY...: one sentence of what was wrong, then what to do.
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

# A folder that the user may write to, named by an absolute path.
usable_folder() { [[ $1 == /* && -d $1 && -w $1 && -x $1 ]]; }

# HOME and XDG_RUNTIME_DIR can be unset or another user's (sudo, su, cron, containers). libvirt and Jupyter
# both need them to make sense, or to be unset.
settle_environment() {
    unset PYTHONHOME PYTHONPATH
    if [[ -n ${XDG_RUNTIME_DIR:-} ]] && ! usable_folder "$XDG_RUNTIME_DIR"; then
        step "XDG_RUNTIME_DIR: '$XDG_RUNTIME_DIR' is no folder of yours, so it is left out"
        unset XDG_RUNTIME_DIR
    fi
    usable_folder "${HOME:-}" && return
    local home
    home=$(getent passwd "$(id -u)" | cut -d: -f6) || home=
    if ! usable_folder "$home"; then
        home=$checkout/.cache/home
        mkdir -p "$home" || fail "there is no home folder for the user $(id -un)" \
            "Set HOME to a folder that you may write to, then try again."
    fi
    step "HOME: '${HOME:-}' is no folder of yours, so $home is used"
    export HOME=$home
}

# Prints the packages of binder/apt.txt, one a line.
listed_packages() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$checkout/binder/apt.txt"; }

# Prints those that are not installed, one a line.
# shellcheck disable=SC2016 # the fields are for dpkg-query to fill in, not for the shell
missing_packages() {
    comm -23 <(listed_packages | sort -u) <(
        listed_packages |
            xargs dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' 2>/dev/null |
            sed -n 's/^installed //p' | sort -u
    )
}

may_become_root() {
    [[ $(id -u) == 0 ]] && return
    command -v sudo >/dev/null || return
    # Where nobody can type a password, sudo must not ask for one.
    [[ -t 0 ]] || sudo -n true 2>/dev/null
}

# as_root COMMAND...: sudo forgets the environment, so what a command needs of it is set here.
as_root() {
    local words=(env DEBIAN_FRONTEND=noninteractive "$@")
    if [[ $(id -u) == 0 ]]; then "${words[@]}"; else sudo "${words[@]}"; fi
}

ensure_packages() {
    if ! command -v dpkg-query >/dev/null; then
        step "system packages: this is no Debian, so the packages of binder/apt.txt are taken to be there"
        return
    fi
    local missing count
    mapfile -t missing < <(missing_packages)
    count=$(listed_packages | wc -l)
    if ((${#missing[@]} == 0)); then
        step "system packages: all $count present"
        return
    fi
    may_become_root || fail "${#missing[@]} system packages are missing, and installing them needs root" \
        "Ask an administrator to run this, then try again:" \
        "apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    step "system packages: installing ${#missing[@]} of $count: ${missing[*]}"
    local log
    log=$(mktemp)
    # apt writes hundreds of lines: they are shown only where they explain a failure.
    if ! { as_root apt-get update && as_root apt-get install --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        fail "apt could not install the packages; its last lines are above, all of them in $log" \
            "Put right what apt names (the network, mostly), then try again."
    fi
    rm -f "$log"
}

# Prints the Python to use: the system's where it is new enough, else the first on PATH.
choose_python() {
    local candidate
    for candidate in /usr/bin/python3 "$(command -v python3)"; do
        if [[ -x $candidate ]] && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# ensure_python run|test: make .venv hold the package; for test, with the tests' tools as well.
# The stamp says what .venv was made of: its base, the package's declaration, and for what. It goes before pip
# starts and comes back when pip is done, so an interrupted run leaves none, and the next one begins anew.
ensure_python() {
    local wanted=$1 python base declared old=()
    python=$(choose_python) || fail "there is no Python 3.11 or newer" \
        "Install one (Debian 12 has it: apt-get install python3 python3-venv), then try again."
    base="$checkout $python $("$python" -c 'import platform; print(platform.python_version())')"
    declared=$(sha256sum "$checkout/pyproject.toml" | cut -d' ' -f1)
    if [[ -r $stamp && -x $venv/bin/python ]]; then mapfile -t old <"$stamp"; fi
    if [[ ${old[0]:-} != "$base" ]]; then
        step "Python environment: making .venv with $python (some minutes, the first time)"
        "$python" -m venv --clear "$venv" || fail "the virtual environment $venv could not be made" \
            "See that you may write to $checkout, then try again."
    else
        # What the tests need is kept where it was once asked for.
        if [[ ${old[2]:-} == test ]]; then wanted="test"; fi
        if [[ ${old[1]:-} == "$declared" && ${old[2]:-} == "$wanted" ]]; then
            step "Python environment: .venv is up to date"
            use_python
            return
        fi
        step "Python environment: bringing .venv up to date with pyproject.toml"
    fi
    rm -f "$stamp"
    install_package "$wanted"
    printf '%s\n' "$base" "$declared" "$wanted" >"$stamp"
    use_python
}

install_package() {
    local what=.
    if [[ $1 == test ]]; then what='.[test]'; fi
    (cd "$checkout" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$what") \
        </dev/null || fail "pip could not install the package; its reason is above" \
        "Put right what it names (the network, mostly), then try again."
}

use_python() {
    export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
}
