//! The house stays in order: floors, sole importers, file lengths, no panics in production code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floor of each module at the top of `src`; imports only ever point down.
const FLOORS: [(&str, u8); 19] = [
    ("audio", 0),
    ("backoff", 0),
    ("limits", 0),
    ("state", 0),
    ("stats", 0),
    ("thread", 0),
    ("permits", 0),
    ("dsp", 1),
    ("decision", 1),
    ("learn", 1),
    ("asrun", 1),
    ("model", 2),
    ("source", 2),
    ("sink", 2),
    ("config", 3),
    ("engine", 4),
    ("study", 5),
    ("cli", 6),
    ("main", 7),
];

/// What a module may import on its own floor or against the rule, with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Crates that only one file, or one folder, may name.
const SOLE_IMPORTERS: [(&str, &[&str]); 8] = [
    ("ort", &["model/session.rs"]),
    ("symphonia", &["source/decode.rs", "source/decode/"]),
    ("cpal", &["source/device.rs", "source/device/"]),
    ("rumqttc", &["sink/mqtt.rs", "sink/mqtt/"]),
    ("mqtt5", &["sink/mqtt/broker.rs", "sink/mqtt/broker/"]),
    ("httparse", &["source/http/"]),
    ("base64", &["source/http/"]),
    (
        "rusqlite",
        &[
            "sink/database.rs",
            "sink/mqtt/store.rs",
            "sink/mqtt/store/",
            "sink/asrun/store.rs",
            "sink/asrun/read.rs",
            "sink/corrections/store.rs",
            "sink/corrections/read.rs",
        ],
    ),
];

/// Modules without input, output, threads or a clock.
const PURE: [&str; 4] = ["dsp", "decision", "learn", "asrun"];

/// What gives a pure module away.
const IMPURE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::io",
    "std::process",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
];

/// No file passes this; most stay far below.
const MAX_LINES: usize = 600;

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "only {} source files were found", files.len());
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (name, text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

/// The code of a file: without its tests, comments and what stands in string literals.
fn production(name: &str, text: &str) -> String {
    // `samples.rs` holds what tests show.
    if name.ends_with("tests.rs") || name.ends_with("samples.rs") {
        return String::new();
    }
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    let code: Vec<&str> = text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    // Every second part between quotes is a literal; escaped quotes are rare enough to do without.
    code.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn module_of(name: &str) -> &str {
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn imports_point_down() {
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let home = module_of(&name);
        if home == "lib" {
            continue;
        }
        let floor = floors.get(home).unwrap_or_else(|| panic!("`src/{name}`: give `{home}` a floor"));
        let code = production(&name, &text);
        for (prefix, _) in [("crate::", ()), ("genred::", ())] {
            for (at, _) in code.match_indices(prefix) {
                let rest = &code[at + prefix.len()..];
                let imported: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(target) = floors.get(imported.as_str()) else {
                    wrong.push(format!("src/{name}: `{prefix}{imported}` names no known module"));
                    continue;
                };
                let excused = EXCEPTIONS.contains(&(home, imported.as_str()));
                if imported != home && target >= floor && !excused {
                    wrong.push(format!(
                        "src/{name}: `{home}` (floor {floor}) imports `{imported}` (floor {target})"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_have_one_importer() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let code = production(&name, &text);
        for (krate, homes) in SOLE_IMPORTERS {
            let at_home =
                homes.iter().any(|home| name == *home || (home.ends_with('/') && name.starts_with(home)));
            let names_it = code.match_indices(&format!("{krate}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if names_it && !at_home {
                wrong.push(format!("src/{name} names `{krate}`; only {} may", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_are_pure() {
    let mut wrong = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| PURE.contains(&module_of(name))) {
        let code = production(name, text);
        wrong.extend(
            IMPURE.iter().filter(|word| code.contains(*word)).map(|word| format!("src/{name}: `{word}`")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn production_code_does_not_panic_on_purpose() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let code = production(&name, &text);
        for word in
            [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "process::exit", "dbg!("]
        {
            if code.contains(word) {
                wrong.push(format!("src/{name}: `{word}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(name, lines)| format!("src/{name} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn main_only_starts_things() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    assert!(text.lines().count() <= 80);
}
