//! The contract, compiled from `protos/` by a build script.

pub mod v1 {
    tonic::include_proto!("acs.rooms.v1");
}

pub mod debug {
    pub mod v1 {
        tonic::include_proto!("acs.rooms.debug.v1");
    }
}
