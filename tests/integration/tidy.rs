//! Structure of `src`: layers, sole importers, cycles between files, file lengths, no panics in
//! production code.

mod source_tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::source_tree::{cycles, imports, source_files};

/// The layer of each module at the top of `src`; imports only ever point down.
const LAYERS: [(&str, u8); 26] = [
    ("audio", 0),
    ("backoff", 0),
    ("command", 0),
    ("event", 0),
    ("limits", 0),
    ("settings", 0),
    ("state_dir", 0),
    ("counters", 0),
    ("tap", 0),
    ("thread", 0),
    ("permits", 0),
    ("usage", 0),
    ("status", 1),
    ("dsp", 1),
    ("decision", 1),
    ("learn", 1),
    ("asrun", 1),
    ("model", 2),
    ("clip", 2),
    ("source", 2),
    ("sink", 2),
    ("config", 3),
    ("engine", 4),
    ("study", 5),
    ("cli", 6),
    ("main", 7),
];

/// Permitted imports within a layer or against the rule, with the reason.
const EXCEPTIONS: [(&str, &str); 2] = [
    // Events carry levels and positions.
    ("event", "audio"),
    // A command carries changes of settings.
    ("command", "settings"),
];

/// Crates that only one file, or one folder, may name.
const SOLE_IMPORTERS: [(&str, &[&str]); 13] = [
    ("axum", &["sink/web/"]),
    ("ratatui", &["cli/top.rs", "cli/top/"]),
    ("ureq", &["cli/page_client.rs"]),
    ("ogg", &["clip/ogg_file.rs"]),
    ("ort", &["model/session.rs"]),
    ("symphonia", &["source/decode.rs", "source/decode/"]),
    ("cpal", &["source/device.rs", "source/device/"]),
    ("rumqttc", &["sink/mqtt.rs", "sink/mqtt/"]),
    ("mqtt5", &["sink/mqtt/broker.rs", "sink/mqtt/broker/"]),
    ("httparse", &["source/http/"]),
    ("base64", &["source/http/", "sink/web/"]),
    ("prometheus_client", &["sink/web/metrics.rs", "sink/web/metrics/"]),
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

/// Names that a pure module must not contain.
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

/// Maximum length of a file.
const MAX_LINES: usize = 400;

fn module_of(name: &str) -> &str {
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn imports_point_down() {
    let layers: BTreeMap<_, _> = LAYERS.into_iter().collect();
    let mut wrong = Vec::new();
    for file in source_files() {
        let (name, code) = (&file.name, &file.code);
        let home = module_of(name);
        if home == "lib" {
            continue;
        }
        let layer = layers.get(home).unwrap_or_else(|| panic!("`src/{name}`: give `{home}` a layer"));
        for prefix in ["crate::", "genred::"] {
            for (at, _) in code.match_indices(prefix) {
                let rest = &code[at + prefix.len()..];
                let imported: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(target) = layers.get(imported.as_str()) else {
                    wrong.push(format!("src/{name}: `{prefix}{imported}` names no known module"));
                    continue;
                };
                let excused = EXCEPTIONS.contains(&(home, imported.as_str()));
                if imported != home && target >= layer && !excused {
                    wrong.push(format!(
                        "src/{name}: `{home}` (layer {layer}) imports `{imported}` (layer {target})"
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
    for file in source_files() {
        let (name, code) = (&file.name, &file.code);
        for (krate, homes) in SOLE_IMPORTERS {
            let at_home =
                homes.iter().any(|home| name == home || (home.ends_with('/') && name.starts_with(home)));
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
    for file in source_files().iter().filter(|file| PURE.contains(&module_of(&file.name))) {
        let found = IMPURE.iter().filter(|word| file.code.contains(*word));
        wrong.extend(found.map(|word| format!("src/{}: `{word}`", file.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn production_code_does_not_panic_on_purpose() {
    let mut wrong = Vec::new();
    for file in source_files() {
        for word in
            [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "process::exit", "dbg!("]
        {
            if file.code.contains(word) {
                wrong.push(format!("src/{}: `{word}`", file.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_import_each_other_in_one_direction() {
    let files = source_files();
    let imports = imports(&files);
    let found: Vec<String> = cycles(&imports)
        .iter()
        .map(|cycle| {
            let of = |file: &&str| {
                let inside: BTreeSet<_> = imports[file].iter().filter(|file| cycle.contains(file)).collect();
                format!("  src/{file} imports {inside:?}")
            };
            cycle.iter().map(of).collect::<Vec<_>>().join("\n")
        })
        .collect();
    assert!(found.is_empty(), "files that import each other:\n{}", found.join("\n\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = source_files()
        .iter()
        .map(|file| (&file.name, file.text.lines().count()))
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
