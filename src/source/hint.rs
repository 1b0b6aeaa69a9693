//! Advice that several messages give.

/// Configuration for an address that only another program can open.
pub(super) fn process_hint(shown: &str) -> String {
    hint(&["-v", "error", "-i", shown, "-f", "wav", "-"])
}

/// The same for a live DASH stream, of which ffmpeg 5.1 plays the whole window again after each
/// update of the manifest (`findings/dash-window.sh`): the filter drops what was heard.
#[cfg(feature = "net")]
pub(super) fn dash_hint(shown: &str) -> String {
    let filter = "aselect='isnan(prev_selected_t)+gt(t,prev_selected_t)'";
    hint(&["-v", "error", "-copyts", "-i", shown, "-af", filter, "-f", "wav", "-"])
}

fn hint(arguments: &[&str]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|argument| format!("\"{argument}\"")).collect();
    format!("use `uri = \"process:\"` with `command = [\"ffmpeg\", {}]`", arguments.join(", "))
}
