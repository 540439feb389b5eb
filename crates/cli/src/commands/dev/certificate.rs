//! What `tindra dev --tls` says about its certificate, and does about it while it runs.

use tindra_server::tls::development::Development;
use tokio::task::JoinSet;

/// How clients are told to trust the authority.
pub(super) fn how_to_trust(certificate: &Development) -> String {
    let path = certificate.authority_file();
    let path = super::quoted(&path.display().to_string());
    format!(
        "\nThe certificate's authority is of this machine alone, and stays. Before a client is started:\n\n  \
         export AWS_CA_BUNDLE={path}        # AWS CLI, boto3, tindra\n  \
         export NODE_EXTRA_CA_CERTS={path}  # Node.js\n  \
         curl --cacert {path} …"
    )
}

/// Makes a new certificate long before the last one ends; the server reads it when the files change. Ends when dropped.
pub(super) fn renew(certificate: &Development) -> JoinSet<()> {
    let certificate = certificate.clone();
    let mut renewal = JoinSet::new();
    renewal.spawn(async move { certificate.renew().await });
    renewal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_told_the_authority() {
        let certificate = Development {
            authority: "/a b/ca".into(),
            directory: "/d".into(),
            region: "us-east-1".into(),
            listen: "127.0.0.1:1".parse().unwrap(),
        };
        let text = how_to_trust(&certificate);
        for part in
            ["AWS_CA_BUNDLE='/a b/ca/ca.pem'", "NODE_EXTRA_CA_CERTS='/a b/ca/ca.pem'", "--cacert '/a b/ca/ca.pem'"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
