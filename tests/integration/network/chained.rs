//! Chained Ogg streams.

use super::*;

/// A chained stream in one response may have another codec and another title.
#[test]
fn chained_ogg_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let links =
        [("metal", "libvorbis", "First"), ("classical", "libopus", "Second")].map(|(of, codec, title)| {
            let file = at.join(format!("{title}.ogg"));
            let title = format!("title={title} of two");
            cut(of, 60.0, 25.0, &file, &["-map_metadata", "-1", "-metadata", &title, "-c:a", codec]);
            fs::read(file).unwrap()
        });
    let sound = links.concat();
    let rate = sound.len() / 50;
    let site = Site::start(move |_, line| {
        head(line, "application/ogg")?;
        play_once(line, &sound, rate)
    });
    let chain = source("chain", &format!("http://127.0.0.1:{}/live", site.port));
    // The source must not be lost because this machine is busy.
    let config = format!("{NO_MQTT}{chain}lost_after_s = 30\n");
    let daemon = daemon(at, &config, &[]);
    daemon.wait_for_log("title: First of two");
    daemon.wait_until("the first link", || genre(&daemon, "chain") == "metal");
    daemon.wait_for_log("title: Second of two");
    daemon.wait_until("the second link", || genre(&daemon, "chain") == "classical");
    assert_eq!(site.heads().len(), 1, "the connection was lost between");
    end(daemon);
}
