"""Journal reports: their envelope and their original ([MS-XJRNL])."""
