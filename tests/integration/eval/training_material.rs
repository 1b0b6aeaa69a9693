//! Exclusion of training material.

use super::*;

/// Training material by track id, from CSV files and folders. It is an error unless included, and
/// the report then says so.
#[test]
fn training_material_is_known_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    let model = bundle(folder, "tracks = ['mine:armygeddon', 'mine:classical/sorrow', 'electronic/none']");
    let with = |more: &[&'static str]| [&["--data", "data", "--model", "./bundle"], more].concat();
    assert_eq!(model, "./bundle");
    refuses(
        folder,
        &with(&["--json"]),
        &[
            "2 of 7 tracks are training material",
            "2 by their id: `classical/sorrow`, `metal/armygeddon` (listed as `mine:armygeddon`)",
            "--exclude-training-material",
            "--include-training-material",
        ],
    );
    let included = eval(folder, &with(&["--include-training-material"]));
    assert_eq!((&included["training_material"]["included"], &included["files"]), (&2.into(), &7.into()));
    assert_eq!(included["training_material"]["by_id"]["metal/armygeddon"], "mine:armygeddon");
    let excluded = eval(folder, &with(&["--exclude-training-material"]));
    assert_eq!((&excluded["training_material"]["excluded"], &excluded["files"]), (&2.into(), &5.into()));
    assert_eq!(excluded["training_material"]["included"], 0);
    // Patches of the other five that the gate classifies as music.
    let others = [
        "metal/degeneration",
        "metal/genesis",
        "classical/dink_1",
        "electronic/plinkeplanke",
        "electronic/chaos_god",
    ];
    let patches = others.map(|name| {
        let answer = run(folder, &["classify", "--json", &format!("data/{name}.wav")]).json().remove(0);
        answer["windows"].as_array().unwrap().iter().filter(|window| window["state"] == "music").count()
    });
    assert_eq!(
        (&excluded["patch"]["n"], &excluded["track"]["n"]),
        (&patches.iter().sum::<usize>().into(), &5.into())
    );
    let text = run(folder, &[&["eval"][..], &with(&["--include-training-material"])].concat()).stdout;
    assert!(text.contains("NOT A TEST: the model was trained on 2 of these tracks"), "{text}");
    // The index has other ids.
    fs::write(folder.join("index.csv"), "path,genre,track\ndata/metal/genesis.wav,metal,armygeddon\n")
        .unwrap();
    refuses(folder, &["--data", "index.csv", "--model", "./bundle"], &["1 of 1 tracks", "`armygeddon`"]);
}

/// Training material by audio, independent of file name and sample format.
#[test]
fn training_material_is_known_by_its_sound() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listed =
        format!("pcm_sha256 = ['{}', '{}']", pcm_sha256("armygeddon"), pcm_sha256("sorrow").to_uppercase());
    bundle(folder, &listed);
    for class in ["metal", "classical"] {
        fs::create_dir_all(folder.join("data").join(class)).unwrap();
    }
    let put = |name: &str, file: &str, arguments: &[&str]| {
        convert(&clip(name), &folder.join("data").join(file), arguments)
    };
    put("armygeddon", "metal/renamed.flac", &[]);
    // Another header, and an additional chunk.
    put("sorrow", "classical/renamed.wav", &["-metadata", "title=Another title"]);
    assert_ne!(
        fs::read(folder.join("data/classical/renamed.wav")).unwrap(),
        fs::read(clip("sorrow")).unwrap()
    );
    put("dink_1", "classical/other.flac", &[]);
    // The same music at lower volume has other samples; only the id identifies it.
    put("armygeddon", "metal/softer.wav", &["-af", "volume=-1dB"]);
    let with = |more: &[&'static str]| [&["--data", "data", "--model", "./bundle"], more].concat();
    refuses(
        folder,
        &with(&[]),
        &["2 of 4 tracks are training material", "2 by their sound: `classical/renamed`, `metal/renamed`"],
    );
    let excluded = eval(folder, &with(&["--exclude-training-material"]));
    assert_eq!((&excluded["training_material"]["excluded"], &excluded["files"]), (&2.into(), &2.into()));
    let included = eval(folder, &with(&["--include-training-material"]));
    assert_eq!((&included["training_material"]["included"], &included["files"]), (&2.into(), &4.into()));
    // Without any other material, there is no report.
    fs::remove_file(folder.join("data/classical/other.flac")).unwrap();
    fs::remove_file(folder.join("data/metal/softer.wav")).unwrap();
    refuses(
        folder,
        &with(&["--exclude-training-material"]),
        &["nothing is left to judge of 2 files", "2 by their sound"],
    );
}

/// A head of another bundle adds the training material of that bundle. A head outside a bundle is
/// reported as of unknown origin.
#[test]
fn heads_bring_their_own_lists() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    dataset(folder);
    bundle(folder, "tracks = ['mine:armygeddon']");
    let there = "bundle/heads/genres.toml";
    refuses(folder, &["--data", "data", "--head", there], &["1 of 7 tracks", "`mine:armygeddon`"]);
    refuses(folder, &["--data", "data", "--compare", there], &["1 of 7 tracks", "`mine:armygeddon`"]);

    fs::create_dir(folder.join("loose")).unwrap();
    for file in ["genres.toml", "genres.safetensors"] {
        fs::copy(folder.join("bundle/heads").join(file), folder.join("loose").join(file)).unwrap();
    }
    let report = eval(folder, &["--data", "data", "--head", "loose/genres.toml"]);
    assert_eq!(report["training_material"]["listed"], false);
    let told = run(folder, &["eval", "--data", "data", "--resamples", "20", "--head", "loose/genres.toml"]);
    assert!(told.stderr.contains("`loose/genres.toml` lies in no bundle"), "{}", told.stderr);
    assert!(told.stdout.contains("the training material of the head is unknown"), "{}", told.stdout);

    let toml = fs::read_to_string(folder.join("loose/genres.toml")).unwrap();
    let foreign = toml.replace("embedding_id = \"musicnn-msd-dense-pooled\"", "embedding_id = \"yamnet\"");
    fs::write(folder.join("loose/genres.toml"), foreign).unwrap();
    refuses(
        folder,
        &["--data", "data", "--head", "loose/genres.toml"],
        &[
            "loose/genres.toml",
            "made for the embedding `yamnet`, the bundle provides `musicnn-msd-dense-pooled`",
        ],
    );
}
