use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;

use super::context::ClassifyLimits;
use super::*;
use crate::audio::Block;
use crate::source::{Read, Source, SourceError};
use crate::study::offline::{self, FileRecord};

/// Time-out of every wait.
const DEADLINE: Duration = Duration::from_secs(60);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model_config() -> ModelConfig {
    ModelConfig {
        bundle: root().join("models/musicnn-msd").display().to_string(),
        onnxruntime: Some(root().join(".cache/onnxruntime/libonnxruntime.so")),
        ..ModelConfig::default()
    }
}

/// Opens files; names that begin with `hold` and `panic` stand for decoders that do so.
fn open_for_test(path: &Path, name: &Path, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
    let text = name.display().to_string();
    match &*text {
        _ if text.starts_with("hold") => Ok(Box::new(HeldSource)),
        _ if text.starts_with("panic") => panic!("a decoder panics"),
        _ => open::open_upload(path, name, stop),
    }
}

/// Source without audio and without an end.
struct HeldSource;

impl Source for HeldSource {
    fn read(&mut self, _: &mut Block) -> Result<Read, SourceError> {
        std::thread::sleep(Duration::from_millis(5));
        Ok(Read::Idle)
    }
}

struct TestService {
    service: ClassifyService,
    stop: Stop,
}

impl TestService {
    fn new(limits: ClassifyLimits) -> Self {
        let stop = Stop::new().unwrap();
        let silence = SilenceConfig::default();
        let service = ClassifyService::with(&model_config(), &silence, stop.clone(), limits, open_for_test);
        Self { service, stop }
    }

    fn start(&self, path: &Path, name: &str) -> Result<mpsc::Receiver<String>, ClassifyRefusal> {
        let input = ClassifyInput::File { path: path.to_path_buf(), name: name.into() };
        self.service.start(input, 1.0)
    }

    /// Lines of the answer for a file.
    fn classify(&self, path: &Path, name: &str) -> Vec<String> {
        lines(self.start(path, name).unwrap())
    }

    fn is_loaded(&self) -> bool {
        self.service.shared.context.model.is_loaded()
    }
}

fn lines(mut receiver: mpsc::Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = receiver.blocking_recv() {
        lines.push(line);
    }
    lines
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// Code and message of an answer that is one error.
fn error_of(lines: &[String]) -> (String, String) {
    let last = parse(lines.last().unwrap());
    assert_eq!(last["kind"], "error", "{lines:?}");
    let text = |key: &str| last[key].as_str().unwrap().to_owned();
    (text("code"), text("error"))
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !ready() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Copies the first part of a file to a name without an extension, as the server stores it.
fn stored(folder: &Path, file: &Path, bytes: usize) -> PathBuf {
    let path = folder.join("upload-7f3a");
    let whole = std::fs::read(file).unwrap();
    std::fs::write(&path, &whole[..bytes.min(whole.len())]).unwrap();
    path
}

#[test]
fn the_answer_is_that_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let service = TestService::new(ClassifyLimits::default());
    let files =
        [".cache/test-audio/clips/sorrow.wav", ".cache/test-audio/songs/genesis.ogg", "benches/loop.mp3"];
    for file in files.map(|file| root().join(file)) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let mut model = crate::model::Model::load(&model_config()).unwrap();
        let found = offline::classify(&file, &mut model, 1.0, &SilenceConfig::default()).unwrap();
        let labels = model.head().labels().to_vec();
        let expected = FileRecord::new(name, "musicnn-msd", "genres", &labels, &found);
        let expected = serde_json::to_string(&expected).unwrap();

        let answer = service.classify(&stored(folder.path(), &file, usize::MAX), name);
        let verdict = answer.last().unwrap();
        assert_eq!(verdict.replacen("{\"kind\":\"verdict\",", "{", 1), expected);
        let windows: Vec<Value> =
            answer.iter().map(|line| parse(line)).filter(|line| line["kind"] == "window").collect();
        let expected = parse(&expected);
        let expected = expected["windows"].as_array().unwrap();
        assert_eq!(windows.len(), expected.len());
        for (window, expected) in windows.iter().zip(expected) {
            let mut window = window.as_object().unwrap().clone();
            window.shift_remove("kind");
            assert_eq!(&Value::from(window), expected);
        }
    }
}

#[test]
fn windows_arrive_while_a_file_is_decoded() {
    let service = TestService::new(ClassifyLimits::default());
    let answer = service.classify(&root().join(".cache/test-audio/electronic.ogg"), "electronic.ogg");
    let kinds: Vec<String> =
        answer.iter().map(|line| parse(line)["kind"].as_str().unwrap().to_owned()).collect();
    let first_window = kinds.iter().position(|kind| kind == "window").unwrap();
    let last_progress = kinds.iter().rposition(|kind| kind == "progress").unwrap();
    assert!(first_window < last_progress, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "verdict").count(), 1);
    let progress = parse(&answer[last_progress]);
    // Ogg does not state its length at the start.
    assert!(progress["decoded_s"].as_f64().unwrap() > 0.0 && progress["duration_s"].is_null(), "{progress}");
}

#[test]
fn failures_have_the_message_of_the_command_and_the_name_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let song = root().join("benches/loop.mp3");
    let service = TestService::new(ClassifyLimits::default());
    let mut model = crate::model::Model::load(&model_config()).unwrap();
    let random: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let cases: [(&str, Vec<u8>); 5] = [
        ("song.mp3", Vec::new()),
        ("noise.flac", random),
        ("page.mp3", b"<html><body>no</body></html>".repeat(40)),
        ("list.m3u", b"#EXTM3U\n/etc/passwd\n".to_vec()),
        ("cut.mp3", std::fs::read(&song).unwrap()[..300].to_vec()),
    ];
    for (name, bytes) in cases {
        let (path, local) = (folder.path().join("upload-7f3a"), folder.path().join(name));
        std::fs::write(&path, &bytes).unwrap();
        std::fs::write(&local, &bytes).unwrap();
        let error = offline::classify(&local, &mut model, 1.0, &SilenceConfig::default()).unwrap_err();
        let expected = error.to_string().replace(&local.display().to_string(), name);
        let answer = service.classify(&path, name);
        assert_eq!(error_of(&answer), ("undecodable".into(), expected));
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert!(!answer.concat().contains("upload-7f3a"), "{answer:?}");
    }
    // A truncated file is classified as far as it goes.
    let answer = service.classify(&stored(folder.path(), &song, 100_000), "part.mp3");
    assert_eq!(parse(answer.last().unwrap())["kind"], "verdict", "{answer:?}");
}

#[test]
fn bounds_hold() {
    let limits = ClassifyLimits { max_audio_s: 5.0, ..ClassifyLimits::default() };
    let song = root().join("benches/loop.mp3");
    let answer = TestService::new(limits).classify(&song, "loop.mp3");
    assert_eq!(error_of(&answer).0, "too_long");
    let limits = ClassifyLimits { max_duration: Duration::from_millis(50), ..ClassifyLimits::default() };
    let answer = TestService::new(limits).classify(&song, "hold");
    assert_eq!(error_of(&answer).0, "timeout");
    let service = TestService::new(ClassifyLimits::default());
    let input = ClassifyInput::File { path: song, name: "loop.mp3".into() };
    let answer = lines(service.service.start(input, 0.0).unwrap());
    assert_eq!(error_of(&answer).0, "invalid");
}

#[test]
fn a_full_queue_refuses_and_cancelled_files_leave_it() {
    let limits = ClassifyLimits { max_waiting: 2, ..ClassifyLimits::default() };
    let service = TestService::new(limits);
    let song = root().join("benches/loop.mp3");
    let mut running = service.start(&song, "hold").unwrap();
    assert_eq!(parse(&running.blocking_recv().unwrap())["kind"], "progress");
    let waiting = [service.start(&song, "a.mp3").unwrap(), service.start(&song, "b.mp3").unwrap()];
    assert_eq!(service.start(&song, "c.mp3").unwrap_err(), ClassifyRefusal::Busy);
    drop(waiting);
    let next = service.start(&song, "d.mp3").unwrap();
    drop(running);
    assert_eq!(parse(lines(next).last().unwrap())["file"], "d.mp3");
}

#[test]
fn a_panic_ends_only_its_classification() {
    let service = TestService::new(ClassifyLimits::default());
    let song = root().join("benches/loop.mp3");
    assert_eq!(error_of(&service.classify(&song, "panic.mp3")).0, "internal");
    assert_eq!(parse(service.classify(&song, "loop.mp3").last().unwrap())["kind"], "verdict");
    // Also one within the model, which is loaded again.
    let model = &service.service.shared.context.model;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = model.hold().with(|_| panic!("the model panics"));
    }));
    assert!(panicked.is_err() && !service.is_loaded());
    assert_eq!(parse(service.classify(&song, "loop.mp3").last().unwrap())["kind"], "verdict");
}

#[test]
fn a_stop_ends_everything() {
    let service = TestService::new(ClassifyLimits::default());
    let song = root().join("benches/loop.mp3");
    let running = service.start(&song, "hold").unwrap();
    let waiting = service.start(&song, "loop.mp3").unwrap();
    let started = Instant::now();
    service.stop.set();
    assert_eq!(error_of(&lines(running)).0, "stopping");
    assert_eq!(error_of(&lines(waiting)).0, "stopping");
    assert_eq!(service.start(&song, "loop.mp3").unwrap_err(), ClassifyRefusal::Stopping);
    drop(service);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn the_model_is_loaded_on_use_and_freed_when_idle() {
    let limits = ClassifyLimits { idle: Duration::from_millis(50), ..ClassifyLimits::default() };
    let service = TestService::new(limits);
    assert!(!service.is_loaded());
    for _ in 0..2 {
        let song = root().join("benches/loop.mp3");
        assert_eq!(parse(service.classify(&song, "loop.mp3").last().unwrap())["kind"], "verdict");
        until("the idle model is freed", || !service.is_loaded());
    }
    // A stop wins over the wait.
    service.stop.set();
}
