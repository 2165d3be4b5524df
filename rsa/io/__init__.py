"""Files: HDF5 that another process reads first, and writing that is whole or not at all."""
