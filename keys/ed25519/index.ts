export { ed25519Backends, generateSeed, publicKeyFromSeed, sign, verifyStrict } from "./ed25519.js";
