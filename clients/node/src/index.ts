export * from "./client.js";
export * from "./contract.js";
export * from "./errors.js";
export { serviceConfig } from "./generated/service_config.js";
