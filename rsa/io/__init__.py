"""Files: HDF5 that another process reads first, and writing that is complete or leaves no trace."""
