using Workerd = import "/workerd/workerd.capnp";

# The address is given on the command line: workerd serve worker.capnp --socket-addr=http=ADDRESS
const config :Workerd.Config = (
  services = [(name = "hello", worker = .hello)],
  sockets = [(name = "http", http = (), service = "hello")],
);

const hello :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "index.js", commonJsModule = embed "index.js"),
  ],
  compatibilityDate = "2026-01-01",
);
