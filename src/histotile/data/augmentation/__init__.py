"""Random changes of training tiles that leave their label true."""
