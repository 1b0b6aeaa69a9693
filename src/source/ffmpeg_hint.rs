//! ffmpeg command lines suggested by error messages.

/// Suggests a `process:` source for an address that genred cannot open itself.
pub(super) fn process_hint(shown: &str) -> String {
    hint(&["-v", "error", "-i", shown, "-f", "wav", "-"])
}

/// Suggests a `process:` source for a live DASH stream. ffmpeg 5.1 replays the whole window after
/// each update of the manifest (`findings/dash-window.sh`); the filter drops repeated audio.
#[cfg(feature = "net")]
pub(super) fn dash_hint(shown: &str) -> String {
    let filter = "aselect='isnan(prev_selected_t)+gt(t,prev_selected_t)'";
    hint(&["-v", "error", "-copyts", "-i", shown, "-af", filter, "-f", "wav", "-"])
}

fn hint(arguments: &[&str]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|argument| format!("\"{argument}\"")).collect();
    format!("use `uri = \"process:\"` with `command = [\"ffmpeg\", {}]`", arguments.join(", "))
}

/// Message for a missing command.
pub(crate) const NEEDS_COMMAND: &str = "needs `command`, as in `command = [\"ffmpeg\", \"-v\", \"error\", \"-i\", \"…\", \"-f\", \"wav\", \"-\"]`";
