//! AWS's runtime clients and SDKs: which versions go into a pack, and how they are fetched.
//!
//! They come through the language's own package manager, as built packages only: nothing is compiled and
//! no install script runs. The versions are data here, so that two packs of one Tindra hold the same.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::host::{self, HostInterpreter};
use super::{PackError, shell};

/// Client and SDK of one Python version (`None` when we know of none).
pub(super) struct PythonClients {
    pub(super) awslambdaric: &'static str,
    pub(super) boto3: &'static str,
}

/// The last versions that support each Python, newest line first.
pub(super) fn for_python(minor: u32) -> Option<PythonClients> {
    match minor {
        10.. => Some(PythonClients { awslambdaric: "4.2.2", boto3: "1.44.5" }),
        9 => Some(PythonClients { awslambdaric: "4.0.4", boto3: "1.42.97" }),
        8 => Some(PythonClients { awslambdaric: "2.2.1", boto3: "1.37.38" }),
        _ => None,
    }
}

/// Client and SDK of one Node.js version. SDK packages are released one by one, so the version is a range
/// whose upper end is the record: each package is the newest one in it.
pub(super) struct NodeClients {
    pub(super) aws_lambda_ric: &'static str,
    /// For functions that work on several invokes at once, where the other one cannot; it takes no handlers with callbacks.
    pub(super) of_several: Option<&'static str>,
    pub(super) sdk: &'static str,
}

pub(super) fn for_node(major: u32) -> Option<NodeClients> {
    match major {
        // Node.js 22 is the last one with handlers that call back (AWS, "Define Lambda function handler in Node.js").
        23.. => Some(NodeClients { aws_lambda_ric: "4.0.2", of_several: None, sdk: "3.900.0 - 3.1164.0" }),
        22 => Some(NodeClients { aws_lambda_ric: "3.3.0", of_several: Some("4.0.2"), sdk: "3.900.0 - 3.1164.0" }),
        20 | 21 => Some(NodeClients { aws_lambda_ric: "3.3.0", of_several: None, sdk: "3.900.0 - 3.1164.0" }),
        18 | 19 => Some(NodeClients { aws_lambda_ric: "3.3.0", of_several: None, sdk: "3.800.0 - 3.966.0" }),
        _ => None,
    }
}

/// The packages of the AWS SDK for JavaScript v3 that a Node.js pack holds; `docs/runtimes.md` lists them.
pub(super) const NODE_SDK: &[&str] = &[
    "client-api-gateway",
    "client-apigatewaymanagementapi",
    "client-appconfigdata",
    "client-athena",
    "client-bedrock-runtime",
    "client-cloudformation",
    "client-cloudfront",
    "client-cloudwatch",
    "client-cloudwatch-logs",
    "client-cognito-identity",
    "client-cognito-identity-provider",
    "client-dynamodb",
    "client-dynamodb-streams",
    "client-ec2",
    "client-ecs",
    "client-eventbridge",
    "client-firehose",
    "client-iam",
    "client-kinesis",
    "client-kms",
    "client-lambda",
    "client-rds-data",
    "client-s3",
    "client-scheduler",
    "client-secrets-manager",
    "client-ses",
    "client-sesv2",
    "client-sfn",
    "client-sns",
    "client-sqs",
    "client-ssm",
    "client-sts",
    "credential-providers",
    "lib-dynamodb",
    "lib-storage",
    "s3-presigned-post",
    "s3-request-presigner",
    "util-dynamodb",
];

/// Puts the Python client and boto3 into two directories.
pub(super) fn install_python(
    interpreter: &HostInterpreter,
    clients: &PythonClients,
    client_directory: &Path,
    sdk_directory: &Path,
) -> Result<(), PackError> {
    let (pip, foreign) = match has_pip(&interpreter.path) {
        true => (interpreter.path.clone(), false),
        false => (other_pip(interpreter)?, true),
    };
    for (package, directory) in [
        (format!("awslambdaric=={}", clients.awslambdaric), client_directory),
        (format!("boto3=={}", clients.boto3), sdk_directory),
    ] {
        let mut arguments: Vec<OsString> = [
            "-I",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--only-binary",
            ":all:",
        ]
        .map(OsString::from)
        .into();
        if foreign {
            let digits: String = minor_of(&interpreter.version).chars().filter(|c| *c != '.').collect();
            for argument in ["--python-version", &minor_of(&interpreter.version), "--implementation", "cp", "--abi"] {
                arguments.push(argument.into());
            }
            arguments.push(format!("cp{digits}").into());
        }
        arguments.extend(["--target".into(), directory.as_os_str().to_owned(), package.clone().into()]);
        shell::run(
            &pip,
            &arguments,
            Path::new("/"),
            &format!("fetch {package} with pip"),
            &format!(
                "this needs the package index once; when it is reachable again, run: tindra runtime install python{} --from-host {}",
                minor_of(&interpreter.version),
                interpreter.path.display()
            ),
        )?;
    }
    Ok(())
}

fn has_pip(python: &Path) -> bool {
    shell::probe(python, &["-I", "-m", "pip", "--version"]).is_some()
}

/// Another Python of this machine whose pip can fetch for this one.
fn other_pip(interpreter: &HostInterpreter) -> Result<PathBuf, PackError> {
    host::discover()
        .into_iter()
        .filter(|other| other.runtime.starts_with("python3."))
        .map(|other| other.path)
        .find(|python| has_pip(python))
        .ok_or_else(|| PackError::Command {
            attempt: "fetch AWS's Python client".to_owned(),
            output: "no Python on this machine has pip".to_owned(),
            hint: format!("install it with: {} -m ensurepip", interpreter.path.display()),
        })
}

/// `3.12` of `3.12.1`.
pub(super) fn minor_of(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// Puts Node's client below `directory/client/node_modules` and the SDK below `directory/sdk/node_modules`:
/// apart, because the client names the tools of its addon's build as dependencies.
pub(super) fn install_node(
    interpreter: &HostInterpreter,
    clients: &NodeClients,
    directory: &Path,
) -> Result<(), PackError> {
    let hint = format!(
        "this needs npm and the package registry once; when they are there, run: tindra runtime install {} --from-host {}",
        interpreter.runtime,
        interpreter.path.display()
    );
    let (program, leading) = find_npm(interpreter).ok_or_else(|| PackError::Command {
        attempt: "fetch AWS's Node.js client".to_owned(),
        output: "no npm was found beside the interpreter or on PATH".to_owned(),
        hint: hint.clone(),
    })?;
    let client = |version| vec![format!("aws-lambda-ric@{version}")];
    let sdk = NODE_SDK.iter().map(|package| format!("@aws-sdk/{package}@{}", clients.sdk)).collect();
    let of_several = clients.of_several.map(|version| ("client-of-several", client(version)));
    for (name, packages) in [("client", client(clients.aws_lambda_ric)), ("sdk", sdk)].into_iter().chain(of_several) {
        let project = directory.join(name);
        std::fs::create_dir_all(&project)
            .and_then(|()| std::fs::write(project.join("package.json"), "{\"private\":true}\n"))
            .map_err(|source| PackError::io("write to", &project, source))?;
        let mut arguments = leading.clone();
        arguments.extend(NPM_INSTALL.iter().map(OsString::from));
        arguments.extend(packages.into_iter().map(OsString::from));
        shell::run(&program, &arguments, &project, "fetch AWS's Node.js client and SDK with npm", &hint)?;
    }
    Ok(())
}

/// No script of a package runs; `--force` because the client's build tools may name another Node.js.
const NPM_INSTALL: &[&str] = &[
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
    "--no-update-notifier",
    "--omit=dev",
    "--force",
    "--loglevel=error",
];

/// npm that belongs to the interpreter, else the one on PATH.
fn find_npm(interpreter: &HostInterpreter) -> Option<(PathBuf, Vec<OsString>)> {
    let prefix = interpreter.path.parent()?.parent()?;
    let own = prefix.join("lib/node_modules/npm/bin/npm-cli.js");
    if own.is_file() {
        return Some((interpreter.path.clone(), vec![own.into_os_string()]));
    }
    on_path("npm").map(|npm| (npm, Vec::new()))
}

/// A library of the Java client.
pub(super) struct Jar {
    group: &'static str,
    pub(super) artifact: &'static str,
    pub(super) version: &'static str,
}

impl Jar {
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.jar", self.artifact, self.version)
    }
}

/// The Java client and all that it needs, for Java 8 and later. The client comes first.
pub(super) const JAVA: [Jar; 5] = [
    Jar { group: "com.amazonaws", artifact: "aws-lambda-java-runtime-interface-client", version: "2.9.0" },
    Jar { group: "com.amazonaws", artifact: "aws-lambda-java-core", version: "1.4.0" },
    Jar { group: "com.amazonaws", artifact: "aws-lambda-java-serialization", version: "1.2.0" },
    Jar { group: "software.amazon.awssdk", artifact: "utils-lite", version: "2.34.0" },
    Jar { group: "software.amazon.awssdk", artifact: "annotations", version: "2.34.0" },
];

const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// Puts the Java client's libraries into a directory, with the user's Maven and its settings.
pub(super) fn install_java(interpreter: &HostInterpreter, scratch: &Path, target: &Path) -> Result<(), PackError> {
    let hint = format!(
        "this needs Maven (mvn) and its repository once; when they are there, run: tindra runtime install {} --from-host {}",
        interpreter.runtime,
        interpreter.path.display()
    );
    let maven = on_path("mvn").ok_or_else(|| PackError::Command {
        attempt: "fetch AWS's Java client".to_owned(),
        output: "no mvn was found on PATH".to_owned(),
        hint: hint.clone(),
    })?;
    // Maven's local repository is not made for two at once.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let project = scratch.join("pom.xml");
    std::fs::write(&project, maven_project()).map_err(|source| PackError::io("write", &project, source))?;
    let arguments = [
        "-B".into(),
        "-q".into(),
        MAVEN_COPY.into(),
        "-DexcludeTransitive=true".into(),
        format!("-DoutputDirectory={}", target.display()),
    ];
    shell::run(&maven, &arguments, scratch, "fetch AWS's Java client with Maven", &hint)
}

fn maven_project() -> String {
    let dependencies: String = JAVA
        .iter()
        .map(|Jar { group, artifact, version }| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>\n"
            )
        })
        .collect();
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>tindra</groupId><artifactId>pack</artifactId><version>1</version>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|program| program.is_file())
}
