//! A new head and its base bundle as a bundle that `genred run` uses at once.

mod golden;
mod new_head;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

pub use new_head::NewHead;

use crate::learn::{Labelling, Linear, Network};
use crate::model::{Bundle, Model, ModelConfig, ModelError, hex};

/// Heads that do not name genres. They are copied; the new head replaces every other one.
const KEPT_HEADS: [&str; 2] = [TAG_HEAD, "gate"];

/// The head of the trunk's own tags, which nothing replaces.
const TAG_HEAD: &str = "tags";

/// The head that is used where none is named. It is kept beside a new one of another name.
const DEFAULT_HEAD: &str = "genres";

const MANIFEST: &str = "manifest.toml";
const CARD: &str = "CARD.md";
const TRAINING: &str = "training.toml";

/// Reason for having no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The place exists.
    #[error("`{}` exists; name another place, or replace it with --force", .0.display())]
    Exists(PathBuf),
    /// The place holds something other than a bundle.
    #[error("`{}` is no model bundle, and is not replaced; name another place", .0.display())]
    NotABundle(PathBuf),
    /// The base bundle would be lost.
    #[error("`{}` is the base bundle itself; name another place", .0.display())]
    Base(PathBuf),
    /// A name that a head cannot have.
    #[error(
        "a head cannot be called `{0}`: a name has letters, digits, `-` and `_`, and `tags` means something else"
    )]
    HeadName(String),
    /// A place that cannot be written.
    #[error("`{}` cannot be written: {what}", path.display())]
    Unwritable {
        /// Path.
        path: PathBuf,
        /// Reason.
        what: String,
    },
    /// The base bundle is damaged, or does not accept the new head.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The base bundle holds what it cannot be made from.
    #[error("{}: {what}", file.display())]
    BaseFile {
        /// Its file.
        file: PathBuf,
        /// Fault.
        what: String,
    },
}

/// Place of a new bundle.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    draft: PathBuf,
    force: bool,
}

impl Place {
    /// Checks, before any work, that a bundle can be written to `folder`; what is there is replaced
    /// only with `force`, and only if it is a bundle.
    ///
    /// # Errors
    /// The place exists, is the base bundle, or cannot be written.
    pub fn new(folder: &Path, base: &Bundle, force: bool) -> Result<Self, ExportError> {
        let unwritable = |path: &Path, error: std::io::Error| ExportError::Unwritable {
            path: path.to_path_buf(),
            what: error.to_string(),
        };
        // `..` and the like have no name of their own.
        let Some(name) = folder.file_name() else {
            return Err(ExportError::Exists(folder.to_path_buf()));
        };
        if folder.symlink_metadata().is_ok() {
            let real = |path: &Path| fs::canonicalize(path).ok();
            if real(folder).is_some_and(|found| real(&base.folder) == Some(found)) {
                return Err(ExportError::Base(folder.to_path_buf()));
            }
            if !force {
                return Err(ExportError::Exists(folder.to_path_buf()));
            }
            let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
            if !is_empty && !folder.join(MANIFEST).is_file() {
                return Err(ExportError::NotABundle(folder.to_path_buf()));
            }
        }
        let parent = match folder.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let draft = parent.join(hidden);
        // That it can be made says that the bundle can.
        fs::create_dir_all(&draft)
            .and_then(|()| fs::remove_dir(&draft))
            .map_err(|error| unwritable(folder, error))?;
        Ok(Self { folder: folder.to_path_buf(), draft, force })
    }

    /// Fills a draft by `write`, and puts it in its place only if that went well.
    fn fill(&self, write: impl FnOnce(&Path) -> Result<(), ExportError>) -> Result<(), ExportError> {
        let unwritable = |error: std::io::Error| ExportError::Unwritable {
            path: self.folder.clone(),
            what: error.to_string(),
        };
        let written = write(&self.draft).and_then(|()| {
            if self.folder.symlink_metadata().is_err() {
                return fs::rename(&self.draft, &self.folder).map_err(unwritable);
            }
            // It came while the head was trained.
            if !self.force {
                return Err(ExportError::Exists(self.folder.clone()));
            }
            let old = self.draft.with_extension("old");
            fs::rename(&self.folder, &old).map_err(unwritable)?;
            let placed = fs::rename(&self.draft, &self.folder);
            let _ = if placed.is_ok() { fs::remove_dir_all(old) } else { fs::rename(old, &self.folder) };
            placed.map_err(unwritable)
        });
        if written.is_err() {
            let _ = fs::remove_dir_all(&self.draft);
        }
        written
    }
}

/// Training of the new head, as the bundle tells it.
#[derive(Debug)]
pub struct Training {
    /// One sentence.
    pub material: String,
    /// `DATASET:TRACK`
    pub tracks: Vec<String>,
    /// Of the decoded PCM.
    pub pcm_sha256: Vec<String>,
}

/// Checks that a head may have this name.
///
/// # Errors
/// [`ExportError::HeadName`]
pub fn check_head_name(name: &str) -> Result<(), ExportError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name == TAG_HEAD {
        return Err(ExportError::HeadName(name.to_owned()));
    }
    Ok(())
}

/// Writes a bundle: the base's front end, trunks, golden patches and licences, its heads that say
/// other things than genres, the new head, and `card`, which may hold what the caller likes. Before
/// it is put in its place it is loaded and verified.
///
/// # Errors
/// The base is damaged, the place cannot be written, or the bundle does not verify.
pub fn export(
    place: &Place,
    base: &Bundle,
    head: &NewHead<'_>,
    training: &Training,
    card: &str,
) -> Result<(), ExportError> {
    check_head_name(head.name)?;
    let name = place.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = base.folder.join(MANIFEST);
    let wrong = |what: String| ExportError::BaseFile { file: file.clone(), what };
    let text = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let mut manifest: Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let listed: Vec<String> = match manifest.get("checksums") {
        Some(Value::Table(checksums)) => checksums.keys().cloned().collect(),
        _ => return Err(wrong("it has no checksums".into())),
    };

    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let is_list = |path: &String| base.manifest.training.as_ref() == Some(path);
    for path in listed.iter().filter(|path| is_copied(path, head.name) && !is_list(path)) {
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(wrong(format!("`{path}` is no file of the bundle")));
        }
        files.insert(path.clone(), base.read(path)?);
    }
    if listed.iter().any(|path| path == CARD) {
        files.insert(format!("CARD-{}.md", base.manifest.name), base.read(CARD)?);
    }
    files.insert(CARD.into(), card.into());
    files.insert(format!("heads/{}.toml", head.name), head_toml(head, base).into());
    files.insert(format!("heads/{}.safetensors", head.name), head_weights(head).map_err(&wrong)?);
    let golden = &base.manifest.golden.file;
    let scores = files.remove(golden).ok_or_else(|| wrong(format!("`{golden}` has no checksum")))?;
    let scores = golden::scores(&scores, head, &files, base.manifest.embedding.dim);
    files.insert(golden.clone(), scores.map_err(|what| wrong(format!("`{golden}`: {what}")))?);

    let of_base = match &base.manifest.training {
        Some(path) => toml::from_slice(&base.read(path)?).map_err(|error| wrong(error.to_string()))?,
        None => Table::new(),
    };
    let keeps_genres = files.contains_key(&format!("heads/{DEFAULT_HEAD}.toml"));
    let listed = training_table(of_base, base, head, training, keeps_genres)?;
    files.insert(TRAINING.into(), listed.to_string().into());
    describe(&mut manifest, &name, base, head, training, &files);
    let text = toml::to_string_pretty(&manifest).map_err(|error| wrong(error.to_string()))?;
    files.insert(MANIFEST.into(), text.into());
    place.fill(|folder| {
        for (path, bytes) in &files {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, bytes))
                .map_err(|error| ExportError::Unwritable { path: path.clone(), what: error.to_string() })?;
        }
        // Its golden answers among others.
        let config = ModelConfig {
            bundle: folder.to_string_lossy().into_owned(),
            head: head.name.to_owned(),
            ..ModelConfig::default()
        };
        Ok(Model::load(&config).map(|_| ())?)
    })
}

/// True for files of the base that go into the new bundle as they are.
fn is_copied(path: &str, new_head: &str) -> bool {
    let head = path.strip_prefix("heads/").map(|file| file.rsplit_once('.').map_or(file, |(stem, _)| stem));
    match head {
        Some(head) => head != new_head && (head == DEFAULT_HEAD || KEPT_HEADS.contains(&head)),
        None => path != CARD,
    }
}

fn head_toml(head: &NewHead<'_>, base: &Bundle) -> String {
    let text = |text: &str| Value::String(text.to_owned());
    let mut table = Table::new();
    table.insert("name".into(), text(head.name));
    let kind = match head.labelling {
        Labelling::Single => "single",
        Labelling::Multi => "multi",
    };
    table.insert("kind".into(), text(kind));
    table.insert("embedding_id".into(), text(&base.manifest.embedding.id));
    table.insert("weights".into(), text(&format!("{}.safetensors", head.name)));
    if let Some(hidden) = head.fit.folded().hidden {
        table.insert("hidden".into(), Value::Integer(hidden.bias.len() as i64));
    }
    table.insert("labels".into(), Value::Array(head.labels.iter().map(|label| text(label)).collect()));
    let mut calibration = Table::new();
    calibration.insert("kind".into(), text("temperature"));
    calibration.insert("temperature".into(), Value::Float(head.temperature));
    table.insert("calibration".into(), Value::Table(calibration));
    let provenance = head.provenance.iter().map(|(key, value)| ((*key).to_owned(), text(value)));
    table.insert("provenance".into(), Value::Table(provenance.collect()));
    format!("{table}\n")
}

fn head_weights(head: &NewHead<'_>) -> Result<Vec<u8>, String> {
    let bytes = |values: &mut dyn Iterator<Item = &f64>| -> Vec<u8> {
        values.flat_map(|value| (*value as f32).to_le_bytes()).collect()
    };
    let Network { hidden, output } = head.fit.folded();
    let hidden = hidden.map(|hidden| ("hidden.", hidden));
    let layers: Vec<(&str, Linear)> = hidden.into_iter().chain([("", output)]).collect();
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (prefix, Linear { weight, bias }) in &layers {
        let shape = vec![weight.nrows(), weight.ncols()];
        data.push((format!("{prefix}weight"), shape, bytes(&mut weight.iter())));
        data.push((format!("{prefix}bias"), vec![bias.len()], bytes(&mut bias.iter())));
    }
    let tensors = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        view.map(|view| (name.as_str(), view)).map_err(|error| error.to_string())
    });
    serialize(tensors.collect::<Result<Vec<_>, _>>()?, None).map_err(|error| error.to_string())
}

/// List of the training material: of the new head, and of a genre head of the base that stays.
/// `base` is what the base says of its own heads' training, those that are gone included.
fn training_table(
    mut of_base: Table,
    base: &Bundle,
    head: &NewHead<'_>,
    training: &Training,
    keeps_genres: bool,
) -> Result<Table, ExportError> {
    let list = |list: &[String]| Value::Array(list.iter().cloned().map(Value::String).collect());
    let (mut tracks, mut hashes) = (training.tracks.clone(), training.pcm_sha256.clone());
    if head.name != DEFAULT_HEAD && keeps_genres {
        let known = base.training()?;
        tracks.extend(known.tracks);
        hashes.extend(known.pcm_sha256);
    }
    of_base.insert("name".into(), Value::String(base.manifest.name.clone()));
    of_base.insert("version".into(), Value::String(base.manifest.version.clone()));
    let mut table = Table::new();
    table.insert("material".into(), Value::String(training.material.clone()));
    table.insert("tracks".into(), list(&tracks));
    table.insert("pcm_sha256".into(), list(&hashes));
    table.insert("base".into(), Value::Table(of_base));
    Ok(table)
}

/// Names the bundle, describes the training of its head, and lists the files.
fn describe(
    manifest: &mut Table,
    name: &str,
    base: &Bundle,
    head: &NewHead<'_>,
    training: &Training,
    files: &BTreeMap<String, Vec<u8>>,
) {
    let text = |text: String| Value::String(text);
    manifest.insert("name".into(), text(name.to_owned()));
    manifest.insert("version".into(), text("1".into()));
    let description = format!("{} on the trunks of {}: {}", head.name, base.manifest.name, training.material);
    manifest.insert("description".into(), text(description));
    let sums = files.iter().map(|(path, bytes)| (path.clone(), Value::String(hex(&Sha256::digest(bytes)))));
    manifest.remove("checksums");
    if !manifest.contains_key("training") {
        // Keys of the root precede the tables.
        let tables = std::mem::take(manifest);
        manifest.insert("training".into(), text(TRAINING.into()));
        manifest.extend(tables);
    }
    manifest.insert("training".into(), text(TRAINING.into()));
    manifest.insert("checksums".into(), Value::Table(sums.collect()));
}
