const PROTOS: &str = "../../../protos";

fn main() -> std::io::Result<()> {
    let services = ["rooms_service", "participants_service"]
        .map(|name| format!("{PROTOS}/acs/rooms/v1/{name}.proto"));
    tonic_prost_build::configure().compile_protos(&services, &[PROTOS.to_string()])
}
