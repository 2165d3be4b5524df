"""What measures are called in a paper, and the works that they are from."""

METRICS = {
    "correlation": "1 - Pearson correlation",
    "spearman": "1 - Spearman correlation",
    "cosine": "1 - cosine similarity",
    "euclidean": "Euclidean distance",
    "sqeuclidean": "squared Euclidean distance",
    "mahalanobis": "squared Mahalanobis distance per feature",
    "crossnobis": "crossnobis distance",
    "correlation-crossvalidated": "1 - crossvalidated Pearson correlation",
}
MEASURES = {
    "pearson": "Pearson correlation",
    "spearman": "Spearman rank correlation",
    "tau-a": "Kendall's tau-a",
    "rho-a": "Spearman's rho-a (expected under random breaking of ties)",
    "cosine": "cosine similarity",
    "cosine-whitened": "whitened cosine similarity",
    "pearson-whitened": "whitened Pearson correlation",
    "cka": "linear centred kernel alignment (CKA)",
    "cka-unbiased": "unbiased linear CKA",
    "cka-rbf": "CKA with a Gaussian kernel",
    "cka-rbf-unbiased": "unbiased CKA with a Gaussian kernel",
    "svcca": "SVCCA",
    "pwcca": "projection-weighted CCA",
    "procrustes": "Procrustes similarity",
    "ridge": "crossvalidated ridge regression",
}
CITED = {
    "tau-a": "Nili et al. 2014",
    "rho-a": "Schütt et al. 2023",
    "svcca": "Raghu et al. 2017",
    "pwcca": "Morcos et al. 2018",
    "procrustes": "Williams et al. 2021",
}
CITED |= dict.fromkeys(("cosine-whitened", "pearson-whitened"), "Diedrichsen et al. 2021")
CITED |= {name: "Kornblith et al. 2019" for name in MEASURES if name.startswith("cka")}
REFERENCES = {
    "Bashivan et al. 2019": "Bashivan P, Tensen M, DiCarlo JJ (2019). Teacher guided architecture search. ICCV.",
    "Benjamini & Hochberg 1995": "Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate: a practical "
    "and powerful approach to multiple testing. Journal of the Royal Statistical Society B 57: 289-300.",
    "Cichy et al. 2014": "Cichy RM, Pantazis D, Oliva A (2014). Resolving human object recognition in space and time. "
    "Nature Neuroscience 17: 455-462.",
    "Diedrichsen et al. 2021": "Diedrichsen J, Berlot E, Mur M, Schütt HH, Shahbazi M, Kriegeskorte N (2021). "
    "Comparing representational geometries using whitened unbiased-distance-matrix similarity. Neurons, Behavior, "
    "Data Analysis, and Theory 5(3).",
    "Efron 1987": "Efron B (1987). Better bootstrap confidence intervals. Journal of the American Statistical "
    "Association 82: 171-185.",
    "King & Dehaene 2014": "King JR, Dehaene S (2014). Characterizing the dynamics of mental representations: the "
    "temporal generalization method. Trends in Cognitive Sciences 18: 203-210.",
    "Kornblith et al. 2019": "Kornblith S, Norouzi M, Lee H, Hinton G (2019). Similarity of neural network "
    "representations revisited. ICML.",
    "Kriegeskorte et al. 2008": "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis: "
    "connecting the branches of systems neuroscience. Frontiers in Systems Neuroscience 2: 4.",
    "Maris & Oostenveld 2007": "Maris E, Oostenveld R (2007). Nonparametric statistical testing of EEG- and MEG-data. "
    "Journal of Neuroscience Methods 164: 177-190.",
    "Morcos et al. 2018": "Morcos AS, Raghu M, Bengio S (2018). Insights on representational similarity in neural "
    "networks with canonical correlation. NeurIPS.",
    "Nili et al. 2014": "Nili H, Wingfield C, Walther A, Su L, Marslen-Wilson W, Kriegeskorte N (2014). A toolbox for "
    "representational similarity analysis. PLoS Computational Biology 10: e1003553.",
    "Raghu et al. 2017": "Raghu M, Gilmer J, Yosinski J, Sohl-Dickstein J (2017). SVCCA: singular vector canonical "
    "correlation analysis for deep learning dynamics and interpretability. NeurIPS.",
    "Sassenhagen & Draschkow 2019": "Sassenhagen J, Draschkow D (2019). Cluster-based permutation tests of MEG/EEG "
    "data do not establish significance of effect latency or location. Psychophysiology 56: e13335.",
    "Schütt et al. 2023": "Schütt HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on "
    "representational geometries. eLife 12: e82566.",
    "Spearman 1910": "Spearman C (1910). Correlation calculated from faulty data. British Journal of Psychology 3: "
    "271-295.",
    "Williams et al. 2021": "Williams AH, Kunz E, Kornblith S, Linderman SW (2021). Generalized shape metrics on "
    "neural representations. NeurIPS.",
}
