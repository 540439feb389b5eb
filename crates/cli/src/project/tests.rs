//! Discovery in small folders.

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("tindra-project-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        for (file, content) in files {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        Self(path.canonicalize().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_with_an_entry_file_is_a_function() {
    for (file, handler, runtime) in [
        ("app.py", "app.handler", RuntimeChoice::Newest(Language::Python)),
        ("lambda_function.py", "lambda_function.lambda_handler", RuntimeChoice::Newest(Language::Python)),
        ("index.mjs", "index.handler", RuntimeChoice::Newest(Language::Node)),
        ("index.js", "index.handler", RuntimeChoice::Newest(Language::Node)),
        ("bootstrap", "bootstrap", RuntimeChoice::Exactly("provided.al2023".to_owned())),
    ] {
        let folder = Folder::with("entry", &[(file, ""), ("event.json", "{\"a\": 1}")]);
        let functions = find(&folder.0).unwrap();
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].handler.as_str(), &functions[0].runtime), (handler, &runtime), "{file}");
        assert_eq!(functions[0].event_bytes().unwrap(), b"{\"a\": 1}");
        assert_eq!(functions[0].name, folder.0.file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn otherwise_each_sub_folder_may_be_one() {
    let folder =
        Folder::with("several", &[("b/index.js", ""), ("a.b/app.py", ""), ("docs/x.md", ""), (".c/app.py", "")]);
    let names: Vec<String> = find(&folder.0).unwrap().into_iter().map(|function| function.name).collect();
    assert_eq!(names, ["a-b", "b"]);
}

#[test]
fn a_build_folder_is_called_like_what_is_around_it() {
    let folder = Folder::with("built", &[("qr/build/index.mjs", ""), ("qr/event.json", "[1]")]);
    let functions = find(&folder.0.join("qr/build")).unwrap();
    assert_eq!(functions[0].name, "qr");
    assert_eq!(functions[0].event_bytes().unwrap(), b"[1]");
}

#[test]
fn nothing_to_deploy_is_said_with_a_way_out() {
    let folder = Folder::with("empty", &[("readme.md", "")]);
    assert!(find(&folder.0).is_err());
    assert!(find(&folder.0.join("nowhere")).is_err());
}

#[test]
fn a_manifest_says_what_files_do_not() {
    let manifest = "[functions.greeter]\npath = \"code\"\nruntime = \"python3.12\"\nmemory_mb = 256\ntimeout_s = 10\n\
                    environment = { STAGE = \"dev\" }\nevent = { name = \"Ada\" }\nignore = [\"*.md\"]\n\
                    [functions.other]\npath = \"code.zip\"\nruntime = \"provided.al2023\"\n";
    let folder = Folder::with("manifest", &[("tindra.toml", manifest), ("code/app.py", ""), ("code.zip", "PK")]);
    let functions = find(&folder.0).unwrap();
    let greeter = &functions[0];
    assert_eq!((greeter.name.as_str(), greeter.handler.as_str()), ("greeter", "app.handler"));
    assert_eq!(greeter.runtime, RuntimeChoice::Exactly("python3.12".to_owned()));
    assert_eq!((greeter.memory_mb, greeter.timeout_s), (Some(256), Some(10)));
    assert_eq!(greeter.environment["STAGE"], "dev");
    assert_eq!(greeter.event_bytes().unwrap(), b"{\"name\":\"Ada\"}");
    assert_eq!(
        (functions[1].handler.as_str(), functions[1].event_bytes().unwrap().as_slice()),
        ("bootstrap", &b"{}"[..])
    );
}

#[test]
fn mistakes_in_a_manifest_are_refused() {
    for (name, manifest) in [
        ("unknown", "[functions.a]\nmemory = 1\n"),
        ("none", "# nothing\n"),
        ("no-runtime", "[functions.a]\nhandler = \"x.y\"\n"),
        ("no-handler", "[functions.a]\nruntime = \"python3.12\"\n"),
        ("no-code", "[functions.a]\npath = \"gone\"\nruntime = \"python3.12\"\nhandler = \"x.y\"\n"),
    ] {
        let folder = Folder::with(name, &[("tindra.toml", manifest)]);
        assert!(find(&folder.0).is_err(), "{name}");
    }
}
