# Shared by the scripts: what they need from the system, and how to get it. To be sourced.
# usage: . scripts/lib.sh; need $BUILD_PACKAGES $RIG_PACKAGES; build -p gateway; as_root target/release/…

BUILD_PACKAGES="build-essential pkg-config clang llvm libclang-dev libelf-dev zlib1g-dev m4"
RIG_PACKAGES="iproute2 util-linux"
# Programs nobody here wrote, which the tests hold the gateway against.
TEST_PACKAGES="curl openssl iperf3 iputils-ping nftables ethtool tcpdump strace"

# Makes sure the named Debian packages are there: installs what is missing when root, else prints the
# one line that does and ends with 2.
need() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: the build names what it lacks
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            "install ok installed") ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing packages; install them with: sudo apt-get install -y$missing" >&2
        exit 2
    fi
    echo "installing:$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    { apt-get -qq update && apt-get -qq -y --no-install-recommends install $missing; } >&2
}

# cargo as the caller, also under sudo: nothing root owns may stay in target/.
cargo_as_caller() {
    caller=${SUDO_USER:-root}
    if [ "$(id -u)" -eq 0 ] && [ "$caller" != root ]; then
        home=$(getent passwd "$caller" | cut -d: -f6)
        sudo -u "$caller" env "HOME=$home" "PATH=$home/.cargo/bin:$PATH" \
            ${CARGO_TARGET_DIR:+"CARGO_TARGET_DIR=$CARGO_TARGET_DIR"} cargo "$@"
        return
    fi
    command -v cargo >/dev/null || PATH="${HOME-}/.cargo/bin:$PATH"
    command -v cargo >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 2; }
    cargo "$@"
}

# Builds with the release profile and sets `release` to the folder of the programs.
build() {
    cargo_as_caller build --release "$@"
    release=${CARGO_TARGET_DIR:-target}/release
}

# Becomes the given program, as root.
as_root() {
    [ "$(id -u)" -ne 0 ] || exec "$@"
    command -v sudo >/dev/null || { echo "needs root: run it as root, or install sudo" >&2; exit 2; }
    exec sudo "$@"
}
