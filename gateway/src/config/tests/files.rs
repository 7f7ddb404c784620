//! Files on disk: what is read, in which order, and what is said of those that cannot be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::super::load;
use super::LEAST;

/// A folder of a test's own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("sluice-config-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    fn put(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refusal(path: &Path) -> String {
    load(path).expect_err("refused").to_text()
}

#[test]
fn folders_are_expanded_in_order() {
    let folder = Folder::new("order");
    let gateway =
        folder.put("gateway.yaml", LEAST.to_owned() + "policies: [p/, extra.txt, p/b.yml]\n");
    for name in [
        "p/c.json",
        "p/a.yaml",
        "p/b.yml",
        "p/readme.md",
        "p/.hidden.yaml",
        "p/b/d.yaml",
        "extra.txt",
    ] {
        folder.put(name, "");
    }
    symlink(&folder.0, folder.0.join("p/loop")).expect("a link");
    let loaded = load(&gateway).unwrap_or_else(|report| panic!("{}", report.to_text()));
    let names: Vec<_> = loaded
        .policy_sources
        .iter()
        .map(|source| source.name.trim_start_matches(&*folder.0.to_string_lossy()))
        .collect();
    // The link leads to the folder's parent, which is read once more by its other name; the folder itself is not.
    assert_eq!(
        names,
        ["/p/a.yaml", "/p/b/d.yaml", "/p/b.yml", "/p/c.json", "/p/loop/gateway.yaml", "/extra.txt"]
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = Folder::new("unreadable");
    let missing = folder.0.join("missing.yaml");
    assert!(refusal(&missing).contains("missing.yaml: error: cannot be read: No such file"));
    assert!(refusal(&folder.0).contains("is not a regular file"));
    assert!(refusal(Path::new("/dev/zero")).contains("is not a regular file"));
    let binary = folder.put("binary.yaml", b"interfaces:\n  a\xff");
    assert!(
        refusal(&binary).contains("binary.yaml:2:4: error: is not UTF-8"),
        "{}",
        refusal(&binary)
    );
    let long = folder.put("long.yaml", " ".repeat(super::super::TEXT_MAX + 1));
    assert!(refusal(&long).contains("has more than 1048576 bytes"));
    let gateway = folder.put("gateway.yaml", LEAST.to_owned() + "policies: [a, b]\n");
    symlink(folder.0.join("nowhere"), folder.0.join("a")).expect("a link");
    folder.put("b/x.yaml", b"\xff");
    let said = refusal(&gateway);
    assert!(said.contains("gateway.yaml:5:12: error: policy "), "{said}");
    assert!(said.contains("gateway.yaml:5:15: error: policy "), "{said}");
}

#[test]
fn a_pipe_does_not_block() {
    let folder = Folder::new("pipe");
    let pipe = folder.0.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert!(refusal(&pipe).contains("is not a regular file"));
}

#[test]
fn an_empty_folder_is_a_warning() {
    let folder = Folder::new("empty");
    fs::create_dir(folder.0.join("none")).expect("a folder");
    let gateway = folder.put("gateway.yaml", LEAST.to_owned() + "policies: [none]\n");
    let warnings = load(&gateway).expect("loads").warnings.to_text();
    assert!(warnings.contains("has no policy file"), "{warnings}");
}

#[test]
fn a_tree_without_end_is_refused() {
    let folder = Folder::new("deep");
    folder.put("p/1/2/3/4/5/6/7/8/9/a.yaml", "");
    let gateway = folder.put("gateway.yaml", LEAST.to_owned() + "policies: [p]\n");
    assert!(refusal(&gateway).contains("more than 8 folders deep"), "{}", refusal(&gateway));
}
