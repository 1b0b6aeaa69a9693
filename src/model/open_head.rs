//! Opening of a head by name or path.

use std::path::Path;

use super::error::ModelError;
use super::head::Head;
use super::manifest::Bundle;

/// True for the path of a head's TOML file, false for the name of one of the bundle's.
pub fn is_head_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml")
}

/// Opens a head by name, verified against the manifest's checksums, or by path.
pub(super) fn open_head(bundle: &Bundle, name: &str) -> Result<Head, ModelError> {
    let embedding = &bundle.manifest.embedding;
    let load = |file: &Path| Head::load(file, &embedding.id, embedding.dim);
    if is_head_path(name) {
        return load(Path::new(name));
    }
    let file = bundle.folder.join("heads").join(format!("{name}.toml"));
    if !file.exists() {
        let what = format!("there is no such head; the bundle has {}", bundle.heads().join(", "));
        return Err(ModelError::Head { file, what });
    }
    bundle.read(&format!("heads/{name}.toml"))?;
    let head = load(&file)?;
    bundle.read(&format!("heads/{}", head.weights))?;
    Ok(head)
}
