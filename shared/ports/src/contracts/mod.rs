//! The contract suites: `fn …(port: &impl Port)`, one check for each sentence of a port's contract.
