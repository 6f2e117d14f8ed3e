"""What pages, terminals and figures are put together from: cells, bars, grids, numbers and colours."""
