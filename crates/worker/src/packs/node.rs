//! The Node.js pack: the binary, aws-lambda-ric with our transport, the AWS SDK for JavaScript v3.

use std::path::Path;

use super::host::HostInterpreter;
use super::libraries::Libraries;
use super::maker::Language;
use super::tree::Tree;
use super::{PackError, Progress, clients};

/// Our files in `/var/runtime`, compiled into the binary.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("/var/runtime/index.mjs", include_str!("../../../../runtimes/node/index.mjs")),
    ("/var/runtime/client.mjs", include_str!("../../../../runtimes/node/client.mjs")),
    ("/var/runtime/spare.mjs", include_str!("../../../../runtimes/node/spare.mjs")),
    ("/var/runtime/warm.mjs", include_str!("../../../../runtimes/node/warm.mjs")),
    ("/var/runtime/warm.cjs", include_str!("../../../../runtimes/node/warm.cjs")),
    ("CLIENT/rapid-client.node/index.cjs", include_str!("../../../../runtimes/node/rapid-client.cjs")),
    ("CLIENT/rapid-client.node/package.json", "{\"main\":\"index.cjs\"}\n"),
];

/// Where the client is inside.
const CLIENT: &str = "/var/runtime/aws-lambda-ric";
/// Where the one for several invokes at once is, if it is another one.
const CLIENT_OF_SEVERAL: &str = "/var/runtime/aws-lambda-ric-of-several";
/// A compiled addon of the official client to take along (its build needs a C++ toolchain and minutes, so
/// packs do without it): the path of a `rapid-client.node`.
const NATIVE_CLIENT_VARIABLE: &str = "TINDRA_NODE_NATIVE_CLIENT";

pub(super) fn write(
    tree: &Tree,
    libraries: &mut Libraries<'_>,
    interpreter: &HostInterpreter,
    progress: &dyn Progress,
) -> Result<Language, PackError> {
    let major: u32 = interpreter.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    let Some(clients) = clients::for_node(major) else {
        return Err(PackError::Unsupported { runtime: interpreter.runtime.clone() });
    };
    progress.step("copy the interpreter", 0.15);
    tree.copy_file(&interpreter.facts.executable, "/var/lang/bin/node")?;
    libraries.add_needs_of(&interpreter.facts.executable)?;
    for builtin in interpreter.facts.builtins.iter().filter(|path| path.is_file()) {
        tree.copy_file(builtin, &builtin.to_string_lossy())?;
    }

    progress.step("fetch AWS's client and SDK", 0.25);
    let scratch = tree.directory("/.install")?;
    clients::install_node(interpreter, &clients, &scratch)?;

    progress.step("copy the client and the SDK", 0.8);
    install_client(tree, &scratch.join("client"), CLIENT, libraries)?;
    if clients.of_several.is_some() {
        install_client(tree, &scratch.join("client-of-several"), CLIENT_OF_SEVERAL, libraries)?;
    }
    install_sdk(tree, &scratch)?;
    std::fs::remove_dir_all(&scratch).map_err(|source| PackError::io("remove", &scratch, source))?;
    Ok(Language {
        shown_version: format!("nodejs:{}", interpreter.version),
        version: interpreter.version.clone(),
        command: ["/var/lang/bin/node", "--expose-gc", "--max-http-header-size=81920", "/var/runtime/index.mjs"]
            .map(str::to_owned)
            .into(),
        environment: vec![("NODE_PATH".to_owned(), node_path(major))],
        clients: [clients.aws_lambda_ric]
            .into_iter()
            .chain(clients.of_several)
            .map(|version| format!("aws-lambda-ric {version}"))
            .chain([format!("@aws-sdk {}", clients.sdk.rsplit(' ').next().unwrap_or_default())])
            .collect(),
        source: interpreter.path.display().to_string(),
    })
}

fn node_path(major: u32) -> String {
    format!(
        "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    )
}

/// The client's own files, unmodified; in the place of its compiled addon a directory that `require` takes.
fn install_client(tree: &Tree, project: &Path, place: &str, libraries: &mut Libraries<'_>) -> Result<(), PackError> {
    let source = project.join("node_modules/aws-lambda-ric");
    // Sources and archives for the build of the addon stay behind.
    let wanted = |path: &Path| {
        !["deps", "src", "scripts", "bin", "binding.gyp"].iter().any(|left_out| path.starts_with(left_out))
    };
    tree.copy_directory(&source, place, &wanted)?;
    // 3.x keeps its bundle in dist/, 4.x beside package.json; the addon is looked for beside the bundle.
    let bundle = if source.join("dist/index.mjs").is_file() { format!("{place}/dist") } else { place.to_owned() };
    for (path, content) in SOURCES.iter().filter(|(path, _)| place == CLIENT || path.starts_with("CLIENT")) {
        tree.write(&path.replace("CLIENT", &bundle), content)?;
    }
    if let Some(native) = std::env::var_os(NATIVE_CLIENT_VARIABLE).map(std::path::PathBuf::from) {
        tree.copy_file(&native, &format!("{bundle}/rapid-client.node/official.node"))?;
        libraries.add_needs_of(&native)?;
    }
    Ok(())
}

/// The SDK with its dependencies, without type declarations and source maps.
fn install_sdk(tree: &Tree, scratch: &Path) -> Result<(), PackError> {
    let wanted = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_types = name.ends_with(".d.ts") || name == "dist-types" || name.ends_with(".map");
        !is_types && name != ".bin" && name != ".package-lock.json"
    };
    tree.copy_directory(&scratch.join("sdk/node_modules"), "/var/runtime/node_modules", &wanted)?;
    // ES modules do not look at NODE_PATH, only at node_modules of the directories above /var/task.
    tree.link("/var/node_modules", "runtime/node_modules")
}
