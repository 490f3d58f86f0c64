"""Attribution graphs: what an answer is made of, node by node and edge by edge, in sums that add up."""
