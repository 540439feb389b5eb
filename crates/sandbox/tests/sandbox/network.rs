//! The network of a sandbox: nothing of the host's, and one supervised way out.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use tindra_sandbox::Exit;

use crate::Test;
use crate::support::{Ground, PATIENCE, finish, is_readable};

pub(crate) const TESTS: &[Test] = &[
    ("egress_shows_the_destination", egress_shows_the_destination),
    ("own_sockets_are_reached", own_sockets_are_reached),
    ("host_and_neighbours_are_not_reached", host_and_neighbours_are_not_reached),
];

fn egress_shows_the_destination(ground: &Ground) {
    let network = ground.network();
    let spec = ground.root.python(
        "import socket, threading\n\
         own = socket.create_server(('0.0.0.0', 8080))\n\
         s = socket.create_connection(('198.51.100.7', 8080), timeout=30)\n\
         assert s.getpeername() == ('198.51.100.7', 8080)\n\
         s.sendall(b'hello'); assert s.recv(5) == b'world'\n\
         t = socket.create_connection(('169.254.169.254', 80), timeout=30); assert t.recv(1) == b''",
    );
    let sandbox = ground.launcher.spawn(&spec, &network, &ground.storage()).unwrap();
    let egress = network.egress.as_ref().expect("this machine has TPROXY").get().unwrap();
    assert!(is_readable(&egress, PATIENCE));
    let (mut connection, peer) = egress.accept().unwrap();
    assert_eq!(connection.local_addr().unwrap().to_string(), "198.51.100.7:8080");
    assert_eq!(peer.ip().to_string(), "169.254.100.2");
    let mut received = [0; 5];
    connection.set_nonblocking(false).unwrap();
    connection.read_exact(&mut received).unwrap();
    connection.write_all(b"world").unwrap();
    assert!(is_readable(&egress, PATIENCE));
    let (metadata, _) = egress.accept().unwrap();
    assert_eq!(
        metadata.local_addr().unwrap().to_string(),
        "169.254.169.254:80",
        "link-local is for the policy to judge"
    );
    drop(metadata);
    let outcome = finish(sandbox);
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.output);
}

fn own_sockets_are_reached(ground: &Ground) {
    let network = ground.network();
    let spec = ground.root.python(
        "import socket\n\
         for port in (9001, 4566, 53): socket.create_connection(('169.254.100.1', port), timeout=30)\n\
         u = socket.socket(type=socket.SOCK_DGRAM); u.sendto(b'question', ('169.254.100.1', 53)); u.settimeout(30)\n\
         assert u.recvfrom(9) == (b'answer', ('169.254.100.1', 53))",
    );
    let sandbox = ground.launcher.spawn(&spec, &network, &ground.storage()).unwrap();
    for listener in [&network.runtime_api, &network.endpoint, &network.dns_tcp] {
        let listener = listener.get().unwrap();
        assert!(is_readable(&listener, PATIENCE));
        listener.accept().unwrap();
    }
    let dns_udp = network.dns_udp.get().unwrap();
    assert!(is_readable(&dns_udp, PATIENCE));
    let mut question = [0; 16];
    let (_, asker) = dns_udp.recv_from(&mut question).unwrap();
    dns_udp.send_to(b"answer", asker).unwrap();
    let outcome = finish(sandbox);
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.output);
}

fn host_and_neighbours_are_not_reached(ground: &Ground) {
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let neighbour = ground.network();
    let port = host.local_addr().unwrap().port();
    ground.output(&format!(
        "import socket\n\
         for address in [('127.0.0.1', {port}), ('::1', {port}), ('2001:db8::1', 80)]:\n\
         \x20 try: socket.create_connection(address, timeout=30)\n\
         \x20 except OSError: continue\n\
         \x20 raise SystemExit(str(address))\n\
         u = socket.socket(type=socket.SOCK_DGRAM); u.connect(('198.51.100.7', 123)); u.send(b'x'); u.settimeout(30)\n\
         try: u.recv(1)\n\
         except ConnectionRefusedError: pass\n\
         else: raise SystemExit('UDP went somewhere')"
    ));
    assert!(host.accept().is_err(), "the host was reached");
    assert!(neighbour.runtime_api.get().unwrap().accept().is_err(), "a neighbour was reached");
}
