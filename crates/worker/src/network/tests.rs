//! One namespace's worth of sockets on loopback.

use super::*;

use std::collections::BTreeMap;
use std::sync::Mutex;

use tindra_core::function::Scope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Answers every connection with the function's name.
#[derive(Debug, Default)]
struct NameTeller {
    served: Mutex<JoinSet<()>>,
}

impl FunctionEndpoint for NameTeller {
    fn serve(&self, mut connection: TcpStream, identity: Arc<EnvironmentIdentity>) {
        self.served.lock().unwrap().spawn(async move {
            connection.write_all(identity.function_name.as_bytes()).await.unwrap();
        });
    }
}

fn identity() -> Arc<EnvironmentIdentity> {
    Arc::new(EnvironmentIdentity {
        scope: Scope { account: "000000000000".into(), region: "us-east-1".into() },
        function_name: "greeter".into(),
        role_arn: "arn:aws:iam::000000000000:role/r".into(),
        access_key_id: "ASIAEXAMPLE".into(),
        secret_access_key: "very-secret".into(),
        session_token: "token".into(),
    })
}

fn shared() -> Shared {
    let hosts = BTreeMap::from([("fixed.test".to_owned(), "192.0.2.5".parse().unwrap())]);
    Shared {
        policy: Arc::new(EgressPolicy::default()),
        resolver: Arc::new(Resolver::new(ResolverOptions { hosts, ..ResolverOptions::default() })),
        endpoint: Arc::new(NameTeller::default()),
    }
}

#[tokio::test]
async fn everything_answers_until_the_guard_is_dropped() {
    let sockets = Sockets {
        endpoint: Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()),
        dns_udp: Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap()),
        dns_tcp: Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()),
        egress: Some(Arc::new(TcpListener::bind("127.0.0.1:0").unwrap())),
    };
    let endpoint = sockets.endpoint.local_addr().unwrap();
    let dns = sockets.dns_udp.local_addr().unwrap();
    let egress = sockets.egress.as_ref().unwrap().local_addr().unwrap();
    let guard = serve(sockets, &shared(), &identity(), None).unwrap();

    let mut said = String::new();
    TcpStream::connect(endpoint).await.unwrap().read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "greeter");

    let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05fixed\x04test\x00\x00\x01\x00\x01";
    client.send_to(question, dns).await.unwrap();
    let mut answer = [0; 512];
    let length = client.recv(&mut answer).await.unwrap();
    assert_eq!(answer[length - 4..length], [192, 0, 2, 5]);

    // The destination of this connection is loopback, which is denied: a reset, not an orderly end.
    let mut denied = TcpStream::connect(egress).await.unwrap();
    let error = denied.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    drop(guard);
    let closed = async {
        for address in [endpoint, egress] {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("the listeners are closed");
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", identity());
    assert!(shown.contains("greeter") && !shown.contains("very-secret") && !shown.contains("token"), "{shown}");
}
