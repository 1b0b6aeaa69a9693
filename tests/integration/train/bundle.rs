//! Contents of a trained bundle.

use super::*;

type BundleFiles = BTreeMap<String, Vec<u8>>;

/// The bundle has the documented contents, and those of its base.
#[test]
fn the_bundle_holds_what_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    music(folder);
    check_trained(&train(folder, &["--dataset", "radio"]));
    let bundle = files(&folder.join("mine"));
    let manifest = toml(&bundle["manifest.toml"]);
    let original = toml(&base("manifest.toml"));
    for key in ["format", "licence", "training", "front_end", "patch", "embedding", "trunk", "golden"] {
        assert_eq!(manifest[key], original[key], "{key}");
    }
    assert_eq!(manifest["name"].as_str(), Some("mine"));
    check_files(&bundle, &manifest);
    check_training_material(folder, &bundle);
    check_head(&bundle, &original);
    check_golden_scores(&bundle);
}

fn check_files(bundle: &BundleFiles, manifest: &toml::Table) {
    let sums = manifest["checksums"].as_table().unwrap();
    let listed: Vec<&String> = sums.keys().collect();
    let mut there: Vec<&String> = bundle.keys().filter(|name| *name != "manifest.toml").collect();
    there.sort();
    assert_eq!(listed, there);
    for (name, sum) in sums {
        assert_eq!(sum.as_str(), Some(hex(&bundle[name]).as_str()), "{name}");
    }
    for copied in [
        "streamed.onnx",
        "windowed.onnx",
        "pooling.safetensors",
        "statistics.safetensors",
        "LICENSE-musicnn",
        "heads/tags.toml",
        "heads/tags.safetensors",
    ] {
        assert!(bundle[copied] == base(copied), "{copied}");
    }
    // The other genre heads of the base have other labels.
    let mut heads: Vec<&String> =
        bundle.keys().filter(|name| name.ends_with(".toml") && name.starts_with("heads")).collect();
    heads.sort();
    assert_eq!(heads, ["heads/gate.toml", "heads/genres.toml", "heads/tags.toml"]);
    assert!(bundle["CARD-musicnn-msd.md"] == base("CARD.md"));
}

fn check_training_material(folder: &Path, bundle: &BundleFiles) {
    let training = toml(&bundle["training.toml"]);
    let tracks: Vec<String> =
        GENRES.iter().flat_map(|genre| (0..4).map(move |index| format!("radio:{genre}/{index}"))).collect();
    assert_eq!(strings(&training["tracks"]), tracks);
    // The same hashes as of `embed`.
    let paths: Vec<String> = GENRES
        .iter()
        .flat_map(|genre| (0..4).map(move |index| format!("music/{genre}/{index}.flac")))
        .collect();
    fs::write(folder.join("list.txt"), paths.join("\n")).unwrap();
    let embedded = run(folder, &["embed", "--list", "list.txt", "--out", "many"]);
    // Two files of the same name are rejected, so one genre per call.
    assert_eq!(embedded.code, Some(1));
    let mut hashes = Vec::new();
    for genre in GENRES {
        let list: Vec<&String> = paths.iter().filter(|path| path.contains(genre)).collect();
        let list: Vec<&str> = list.iter().map(|path| path.as_str()).collect();
        let ended = run(folder, &[&["embed", "--out", genre], &list[..]].concat());
        hashes.extend(ended.json().iter().map(|line| line["pcm_sha256"].as_str().unwrap().to_owned()));
    }
    hashes.sort();
    assert_eq!(strings(&training["pcm_sha256"]), hashes);
}

fn check_head(bundle: &BundleFiles, original: &toml::Table) {
    let head = toml(&bundle["heads/genres.toml"]);
    assert_eq!(strings(&head["labels"]), GENRES);
    assert_eq!(head["kind"].as_str(), Some("single"));
    assert_eq!(head["embedding_id"], original["embedding"]["id"]);
    let card = String::from_utf8(bundle["CARD.md"].clone()).unwrap();
    for part in [
        "| metal | 4 | 4 | 16 |",
        "train --data music --out mine --dataset radio",
        "12 tracks (48 patches)",
        "ISC",
    ] {
        assert!(card.contains(part), "no `{part}` in\n{card}");
    }
}

/// Golden scores, computed here from the written weights.
fn check_golden_scores(bundle: &BundleFiles) {
    let head = toml(&bundle["heads/genres.toml"]);
    let temperature = head["calibration"]["temperature"].as_float().unwrap();
    let (weights, golden) = (&bundle["heads/genres.safetensors"], &bundle["golden/golden.safetensors"]);
    let (weight, bias) = (floats(weights, "weight"), floats(weights, "bias"));
    let of_trunks = |tensor: &str| -> Vec<f64> {
        ["streamed", "windowed"]
            .iter()
            .flat_map(|trunk| floats(golden, &format!("{trunk}.{tensor}")))
            .collect()
    };
    let (embedding, scores) = (of_trunks("embedding"), of_trunks("scores.genres"));
    assert_eq!((weight.len(), bias.len(), scores.len()), (3 * 624, 3, embedding.len() / 624 * 3));
    for (row, scores) in embedding.chunks(624).zip(scores.chunks(3)) {
        let powers: Vec<f64> = weight
            .chunks(624)
            .zip(&bias)
            .map(|(weight, bias)| {
                let product: f64 = weight.iter().zip(row).map(|(w, x)| w * x).sum();
                ((product + bias) / temperature).exp()
            })
            .collect();
        for (power, score) in powers.iter().zip(scores) {
            assert!((power / powers.iter().sum::<f64>() - score).abs() < 1e-5, "{powers:?} {scores:?}");
        }
    }
    let names: Vec<String> =
        SafeTensors::deserialize(golden).unwrap().names().into_iter().map(str::to_owned).collect();
    assert!(
        names.iter().any(|name| name == "streamed.scores.tags") && names.iter().any(|name| name == "samples")
    );
}
