//! Reception of files: into a temporary file, of limited size, within limited time.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use futures_util::{Stream, StreamExt};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use crate::sink::web::error::{ApiError, ErrorCode};
use crate::sink::web::state::internal;

/// Longest wait for the next piece of a body.
const PIECE_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest time in which a file arrives.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);

/// Longest name of a file, in characters.
const MAX_NAME_LENGTH: usize = 255;

/// Uploaded file. It is deleted when this is dropped.
pub(super) struct ReceivedFile {
    pub(super) path: TempPath,
    /// Name, as the client gave it.
    pub(super) name: String,
}

/// Receives the file of a request, from a form or as the whole body, into `folder`.
///
/// # Errors
/// The file is larger than `max_bytes`, does not arrive in time, or cannot be stored.
pub(super) async fn receive(
    request: Request,
    name: Option<String>,
    folder: &Path,
    max_bytes: u64,
) -> Result<ReceivedFile, ApiError> {
    let headers = request.headers();
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // The frame of a form needs some bytes more.
    if announced.is_some_and(|length| length > max_bytes + (64 << 10)) {
        return Err(too_large(max_bytes));
    }
    let is_form = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"));
    if is_form {
        return receive_form(request, name, folder, max_bytes).await;
    }
    let path = store(request.into_body().into_data_stream(), folder, max_bytes).await?;
    Ok(ReceivedFile { path, name: file_name(name) })
}

async fn receive_form(
    request: Request<Body>,
    name: Option<String>,
    folder: &Path,
    max_bytes: u64,
) -> Result<ReceivedFile, ApiError> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    loop {
        let field = timeout(PIECE_TIMEOUT, form.next_field()).await.map_err(|_| too_slow())?;
        let field = field.map_err(|error| ApiError::invalid(error.body_text()))?;
        let Some(field) = field else {
            return Err(ApiError::invalid("the form has no part with a file, named `file`"));
        };
        if field.name() == Some("file") {
            let name = name.or_else(|| field.file_name().map(str::to_owned));
            let path = store(field, folder, max_bytes).await?;
            return Ok(ReceivedFile { path, name: file_name(name) });
        }
    }
}

/// Writes a body to a temporary file.
async fn store<E: std::fmt::Display>(
    mut pieces: impl Stream<Item = Result<axum::body::Bytes, E>> + Unpin,
    folder: &Path,
    max_bytes: u64,
) -> Result<TempPath, ApiError> {
    let (file, path) = create(folder).map_err(|error| internal(&error))?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let deadline = Instant::now() + UPLOAD_TIMEOUT;
    let mut length = 0;
    loop {
        let wait = PIECE_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
        let piece = timeout(wait, pieces.next()).await.map_err(|_| too_slow())?;
        let Some(piece) = piece else { break };
        let piece = piece.map_err(|error| ApiError::invalid(format!("the body ended early: {error}")))?;
        length += piece.len() as u64;
        if length > max_bytes {
            return Err(too_large(max_bytes));
        }
        file.write_all(&piece).await.map_err(|error| internal(&error))?;
    }
    if length == 0 {
        return Err(ApiError::invalid("the body is empty; send the bytes of an audio file"));
    }
    file.flush().await.map_err(|error| internal(&error))?;
    Ok(path)
}

fn create(folder: &Path) -> std::io::Result<NamedTempFile> {
    std::fs::create_dir_all(folder)?;
    NamedTempFile::with_prefix_in("upload-", folder)
}

/// Name of a file for display: without folders and control characters.
fn file_name(given: Option<String>) -> String {
    let given = given.unwrap_or_default();
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME_LENGTH).collect();
    if plain.is_empty() { "upload".into() } else { plain }
}

fn too_large(max_bytes: u64) -> ApiError {
    ApiError::new(
        ErrorCode::TooLarge,
        format!("the file exceeds {} MiB (`web.max_upload_mb`)", max_bytes >> 20),
    )
}

fn too_slow() -> ApiError {
    ApiError::new(ErrorCode::Timeout, "the file did not arrive in time")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(lengths: &[usize]) -> impl Stream<Item = Result<axum::body::Bytes, String>> + Unpin + use<> {
        stream::iter(lengths.iter().map(|length| Ok(vec![7; *length].into())).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_file_is_stored_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = store(pieces(&[3, 4]), folder.path(), 7).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [7; 7]);
        drop(path);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_large_or_empty_or_broken_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert!(store(pieces(&[3, 5]), folder.path(), 7).await.is_err());
        assert!(store(pieces(&[]), folder.path(), 7).await.is_err());
        let broken = stream::iter([Ok(vec![7].into()), Err("reset")]);
        assert!(store(broken, folder.path(), 7).await.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_are_plain() {
        let name = |given: &str| file_name(Some(given.into()));
        assert_eq!(name("song.ogg"), "song.ogg");
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("C:\\music\\a.mp3"), "a.mp3");
        assert_eq!(name("a\nb.ogg"), "ab.ogg");
        assert_eq!(name("folder/"), "upload");
        assert_eq!(file_name(None), "upload");
    }
}
