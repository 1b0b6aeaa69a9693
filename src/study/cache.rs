//! Cache of embeddings on disk, so that a recording is decoded only once.
//!
//! An entry is one file, named by the SHA-256 of everything that determines its content: path, size
//! and modification time of the recording, and trunk, front end and hop. It begins with the SHA-256
//! of the rest, which is a safetensors file. Damaged entries are replaced.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use sha2::{Digest, Sha256};

use super::augment::Alteration;
use super::offline::EmbeddedAudio;
use crate::audio::{Level, PatchSpan};
use crate::model::{Model, hex};

/// Entries of another layout have other names.
const LAYOUT: u32 = 1;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// A folder of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    /// Part of the key that all entries of one model and hop share.
    context: String,
}

impl Cache {
    /// Creates the cache in `folder` for embeddings of `model` every `hop_seconds`. The folder is
    /// created with the first entry.
    pub fn new(folder: &Path, model: &Model, hop_seconds: f64) -> Self {
        let bundle = model.bundle();
        let context = format!(
            "{LAYOUT} {} {} {} {:?} {} {hop_seconds}",
            env!("CARGO_PKG_VERSION"),
            model.trunk_sha256(),
            model.provider(),
            bundle.front_end,
            bundle.patch_frames(),
        );
        Self { folder: folder.to_path_buf(), context }
    }

    /// Default folder of embeddings: `$XDG_CACHE_HOME/genred` or `~/.cache/genred`.
    pub fn default_folder() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let root = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(root.join("genred").join("embeddings"))
    }

    /// Entry of a recording, altered or not; `None` if the recording cannot be examined.
    pub fn entry(&self, recording: &Path, alteration: Option<&Alteration>) -> Option<PathBuf> {
        let path = fs::canonicalize(recording).ok()?;
        let metadata = fs::metadata(&path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let mut digest = Sha256::new();
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update(format!("\0{} {} {}", metadata.len(), changed.as_nanos(), self.context));
        if let Some(alteration) = alteration {
            digest.update(format!(" {alteration:?}"));
        }
        Some(self.folder.join(hex(&digest.finalize())))
    }

    /// Embeddings of an entry; `None` if there is none, or it is damaged.
    pub fn read(&self, entry: &Path, dim: usize) -> Option<EmbeddedAudio> {
        let bytes = fs::read(entry).ok()?;
        let embedded = parse(&bytes, dim);
        if embedded.is_none() {
            tracing::warn!("`{}` is damaged; its recording is decoded again", entry.display());
        }
        embedded
    }

    /// Writes an entry, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be created or written to.
    pub fn write(&self, entry: &Path, embedded: &EmbeddedAudio) -> io::Result<()> {
        let body = body(embedded).map_err(io::Error::other)?;
        fs::create_dir_all(&self.folder)?;
        let draft = entry.with_extension(format!("{}.part", std::process::id()));
        let written = fs::write(&draft, [&Sha256::digest(&body)[..], &body].concat())
            .and_then(|()| fs::rename(&draft, entry));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

fn body(embedded: &EmbeddedAudio) -> Result<Vec<u8>, String> {
    let dim = embedded.embeddings.len() / embedded.spans.len().max(1);
    let spans: Vec<u8> =
        embedded.spans.iter().flat_map(|span| [span.start, span.end]).flat_map(f64::to_le_bytes).collect();
    let levels: Vec<u8> = embedded.levels.iter().flat_map(|level| level.lufs_s.to_le_bytes()).collect();
    let embeddings: Vec<u8> = embedded.embeddings.iter().flat_map(|value| value.to_le_bytes()).collect();
    let duration = embedded.duration_s.to_le_bytes();
    let patches = embedded.spans.len();
    let tensors = [
        ("duration_s", Dtype::F64, vec![1], &duration[..]),
        ("embeddings", Dtype::F32, vec![patches, dim], &embeddings),
        ("lufs_s", Dtype::F32, vec![patches], &levels),
        ("pcm_sha256", Dtype::U8, vec![embedded.pcm_sha256.len()], embedded.pcm_sha256.as_bytes()),
        ("spans", Dtype::F64, vec![patches, 2], &spans),
    ];
    let mut views = BTreeMap::new();
    for (name, dtype, shape, bytes) in tensors {
        views.insert(name, TensorView::new(dtype, shape, bytes).map_err(|error| error.to_string())?);
    }
    serialize(views, None).map_err(|error| error.to_string())
}

fn parse(bytes: &[u8], dim: usize) -> Option<EmbeddedAudio> {
    let (digest, body) = bytes.split_at_checked(DIGEST)?;
    if digest != &Sha256::digest(body)[..] {
        return None;
    }
    let tensors = SafeTensors::deserialize(body).ok()?;
    let of = |name: &str, dtype: Dtype| tensors.tensor(name).ok().filter(|view| view.dtype() == dtype);
    let doubles = |name: &str| -> Option<Vec<f64>> {
        let view = of(name, Dtype::F64)?;
        Some(view.data().as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    };
    let singles = |name: &str| -> Option<Vec<f32>> {
        let view = of(name, Dtype::F32)?;
        Some(view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let spans: Vec<PatchSpan> = doubles("spans")?
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[start, end]| PatchSpan { start: *start, end: *end })
        .collect();
    let levels: Vec<Level> = singles("lufs_s")?.into_iter().map(Level::of_loudness).collect();
    let embeddings = singles("embeddings")?;
    let fits = levels.len() == spans.len() && embeddings.len() == spans.len() * dim;
    fits.then_some(EmbeddedAudio {
        duration_s: *doubles("duration_s")?.first()?,
        pcm_sha256: String::from_utf8(of("pcm_sha256", Dtype::U8)?.data().to_vec()).ok()?,
        spans,
        levels,
        embeddings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded() -> EmbeddedAudio {
        EmbeddedAudio {
            duration_s: 4.25,
            pcm_sha256: "ab".repeat(32),
            spans: vec![PatchSpan { start: 0.0, end: 2.992 }, PatchSpan { start: 0.992, end: 3.984 }],
            levels: vec![Level::of_loudness(-23.5), Level::default()],
            embeddings: vec![0.5, -1.5, f32::MIN_POSITIVE, 11.0, 0.0, -0.0],
        }
    }

    fn same(a: &EmbeddedAudio, b: &EmbeddedAudio) -> bool {
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        (a.duration_s, &a.pcm_sha256, &a.spans, &a.levels)
            == (b.duration_s, &b.pcm_sha256, &b.spans, &b.levels)
            && bits(&a.embeddings) == bits(&b.embeddings)
    }

    fn cache(folder: &Path) -> Cache {
        Cache { folder: folder.join("deep/cache"), context: "trunk hop".into() }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("song");
        fs::write(&recording, "sound").unwrap();
        let cache = cache(folder.path());
        let entry = cache.entry(&recording, None).unwrap();
        assert!(cache.read(&entry, 3).is_none());
        cache.write(&entry, &embedded()).unwrap();
        assert!(same(&cache.read(&entry, 3).unwrap(), &embedded()));
        // Another trunk would have another embedding.
        assert!(cache.read(&entry, 2).is_none());
        let names: Vec<_> = fs::read_dir(&cache.folder).unwrap().map(|found| found.unwrap().path()).collect();
        assert_eq!(names, [entry], "nothing else is left behind");
    }

    /// A change of any single byte, and truncation anywhere.
    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let body = body(&embedded()).unwrap();
        let whole = [&Sha256::digest(&body)[..], &body].concat();
        assert!(parse(&whole, 3).is_some());
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            assert!(parse(&broken, 3).is_none(), "byte {at}");
            assert!(parse(&whole[..at], 3).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn another_recording_time_or_setting_is_another_entry() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "sound").unwrap();
        fs::write(&other, "sound").unwrap();
        let cache = cache(folder.path());
        let first = cache.entry(&one, None).unwrap();
        assert_eq!(
            cache.entry(&folder.path().join("./one"), None),
            Some(first.clone()),
            "the path is resolved"
        );
        assert_ne!(cache.entry(&other, None), Some(first.clone()));
        assert_ne!(
            Cache { context: "another hop".into(), ..cache.clone() }.entry(&one, None),
            Some(first.clone())
        );
        let altered = Alteration::draw("one", 0, 1);
        assert_ne!(cache.entry(&one, Some(&altered)), Some(first.clone()));
        let file = fs::File::options().append(true).open(&one).unwrap();
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
        assert_ne!(cache.entry(&one, None), Some(first));
        assert_eq!(cache.entry(&folder.path().join("missing"), None), None);
    }
}
