//! PrintFactory: push messages about jobs, devices and nests for listeners that connect with a `MisKey`.
