// An aedes on the loopback interface: `node broker.cjs PORT LONGEST_CLIENT_ID`.
// Longer client ids are refused with return code 2, as MQTT 3.1.1 allows beyond 23 bytes.
const [port, longest] = process.argv.slice(2).map(Number);
const aedes = require("aedes")();
aedes.authenticate = (client, username, password, done) => {
  // One that was left empty is replaced by a longer one.
  if (client.id.length <= longest || client.id.startsWith("aedes_")) return done(null, true);
  done(Object.assign(new Error("client id too long"), { returnCode: 2 }), null);
};
aedes.on("clientError", () => {});
aedes.on("connectionError", () => {});
require("net").createServer(aedes.handle).listen(port, "127.0.0.1");
