use super::*;

fn list(text: &str) -> Result<Vec<StreamPiece>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.csv");
    std::fs::write(&file, text).unwrap();
    let map = ["disco=disco-funk".parse().unwrap()];
    let pieces = StreamPiece::list(&file, &map).map_err(|error| error.to_string())?;
    Ok(pieces
        .into_iter()
        .map(|mut piece| {
            piece.cut.path = piece.cut.path.strip_prefix(folder.path()).unwrap().into();
            piece
        })
        .collect())
}

fn piece(path: &str, start: f64, end: Option<f64>, label: Option<&str>) -> StreamPiece {
    StreamPiece { cut: Cut { path: path.into(), start, end }, label: label.map(Into::into) }
}

#[test]
fn a_list_becomes_pieces() {
    let text = "path,label,start,seconds\na.flac,disco,10,5\nb.ogg,,,\na.flac,rock,2.5,\n";
    let expected = [
        piece("a.flac", 10.0, Some(15.0), Some("disco-funk")),
        piece("b.ogg", 0.0, None, None),
        piece("a.flac", 2.5, None, Some("rock")),
    ];
    assert_eq!(list(text).unwrap(), expected);
    assert_eq!(list("path,genre,end\na,pop,3\n").unwrap(), [piece("a", 0.0, Some(3.0), Some("pop"))]);
}

#[test]
fn errors_of_a_list_name_the_line() {
    for (text, parts) in [
        ("file,label\na,b\n", &["no column `path`", "file, label"][..]),
        ("path\n", &["no row"]),
        ("path,start\na,1\n,2\n", &["line 3", "empty `path`"]),
        ("path,start\na,soon\n", &["line 2", "`start`"]),
        ("path,seconds\na,-1\n", &["line 2", "`seconds`"]),
        ("path,start,end\na,5,5\n", &["line 2", "ends before"]),
        ("path,end,seconds\na,5,5\n", &["both `end` and `seconds`"]),
    ] {
        let error = list(text).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
